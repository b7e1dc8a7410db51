//! The table of what is held to: what was measured, the bar that it must keep, and the aim.

/// What is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// How many times the other one.
    Ratio,
    /// Microseconds of CPU time.
    Micros,
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
    /// Mebibytes.
    Mebibytes,
}

impl Unit {
    fn write(self, value: f64) -> String {
        match self {
            Self::Ratio => format!("{value:.2} x"),
            Self::Micros => format!("{value:.1} us"),
            Self::Millis => format!("{value:.2} ms"),
            Self::Seconds => format!("{value:.2} s"),
            Self::Mebibytes => format!("{value:.1} MiB"),
        }
    }
}

/// One line.
pub(super) struct Line {
    what: &'static str,
    unit: Unit,
    /// Or why it was not measured.
    measured: Result<f64, String>,
    bar: f64,
    aim: Option<f64>,
}

impl Line {
    /// What was measured, the most that it may be, and what it should be.
    pub(super) const fn new(what: &'static str, unit: Unit, measured: f64, bar: f64, aim: Option<f64>) -> Self {
        Self { what, unit, measured: Ok(measured), bar, aim }
    }

    /// What could not be measured, and why.
    pub(super) const fn skipped(what: &'static str, unit: Unit, why: String, bar: f64, aim: Option<f64>) -> Self {
        Self { what, unit, measured: Err(why), bar, aim }
    }

    /// What it is if it is more than so many times the bar.
    pub(super) fn is_beyond(&self, times: f64) -> Option<&'static str> {
        // What is not a number is beyond every bar.
        let within = self.measured.as_ref().is_ok_and(|measured| *measured <= self.bar * times);
        (!within).then_some(self.what.trim_start())
    }

    fn verdict(&self) -> String {
        match &self.measured {
            Err(why) => format!("SKIPPED: {why}"),
            Ok(measured) if self.aim.is_some_and(|aim| *measured <= aim) => "aim reached".to_owned(),
            Ok(measured) if *measured <= self.bar => "within the bar".to_owned(),
            Ok(_) => "BEYOND THE BAR".to_owned(),
        }
    }
}

/// Prints the table.
pub(super) fn print(lines: &[Line]) {
    println!("\n{:<68} {:>11} {:>11} {:>11}  verdict", "what", "measured", "bar", "aim");
    for line in lines {
        println!(
            "{:<68} {:>11} {:>11} {:>11}  {}",
            line.what,
            line.measured.as_ref().map_or_else(|_| "-".to_owned(), |measured| line.unit.write(*measured)),
            line.unit.write(line.bar),
            line.aim.map_or_else(|| "-".to_owned(), |aim| line.unit.write(aim)),
            line.verdict(),
        );
    }
}
