//! A chart of what a request costs, as SVG: readable on light and dark, with its figures written out.

use std::fmt::Write as _;

use super::figures::figure;

/// One bar.
pub(super) struct Bar {
    pub(super) name: &'static str,
    /// What is said of it below its name.
    pub(super) remark: &'static str,
    /// Microseconds.
    pub(super) value: f64,
    /// Whether it is ours.
    pub(super) ours: bool,
}

const WIDTH: f64 = 760.0;
/// Where bars begin, and how long the longest one is.
const LEFT: f64 = 260.0;
const LONGEST: f64 = 420.0;
/// Of one bar with what is around it.
const ROW: f64 = 44.0;
const TOP: f64 = 64.0;

const STYLE: &str = "text { font: 14px system-ui, sans-serif; fill: #1f2328 } \
    .title { font-size: 17px; font-weight: 600 } .remark { font-size: 12px; fill: #59636e } \
    .bar { fill: #8c959f } .ours { fill: #0969da } \
    @media (prefers-color-scheme: dark) { text { fill: #f0f6fc } .remark { fill: #9198a1 } \
    .bar { fill: #6e7681 } .ours { fill: #4493f8 } }";

/// The chart as a text. The caption says on what it was measured.
pub(super) fn chart(bars: &[Bar], caption: &str) -> String {
    let height = TOP + ROW * figure(bars.len()) + 30.0;
    let most = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let told: Vec<String> = bars.iter().map(|bar| format!("{} {:.1}", escaped(bar.name), bar.value)).collect();
    let mut rows = String::new();
    let mut top = TOP;
    for bar in bars {
        let (class, length) = (if bar.ours { "ours" } else { "bar" }, LONGEST * bar.value / most);
        // Nothing that is written to a text can fail.
        let _ = write!(
            rows,
            "<text x=\"{name}\" y=\"{up}\" text-anchor=\"end\">{}</text>\n\
             <text x=\"{name}\" y=\"{down}\" text-anchor=\"end\" class=\"remark\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{top}\" width=\"{length:.1}\" height=\"28\" rx=\"3\" class=\"{class}\"/>\n\
             <text x=\"{end:.1}\" y=\"{middle}\">{:.1}</text>\n",
            escaped(bar.name),
            escaped(bar.remark),
            bar.value,
            name = LEFT - 10.0,
            up = top + 12.0,
            down = top + 27.0,
            end = LEFT + length + 8.0,
            middle = top + 19.0,
        );
        top += ROW;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"title desc\">\n\
         <title id=\"title\">CPU time of one authenticated request through each proxy</title>\n\
         <desc id=\"desc\">Bars, in microseconds, shorter is better: {told}. {caption}</desc>\n\
         <style>{STYLE}</style>\n\
         <text x=\"20\" y=\"30\" class=\"title\">CPU time of one request, in microseconds (shorter is better)</text>\n\
         {rows}<text x=\"20\" y=\"{foot}\" class=\"remark\">{caption}</text>\n</svg>\n",
        told = told.join(", "),
        caption = escaped(caption),
        foot = height - 12.0,
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
