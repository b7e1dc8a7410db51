//! A process of the comparison: started, waited for, read, and killed at the end.

use std::{
    env, fs, io,
    net::{SocketAddr, TcpListener, TcpStream},
    ops::{Add, Sub},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use super::Outcome;

/// Time to begin to listen.
const START: Duration = Duration::from_secs(20);
/// The unit of `/proc/PID/stat`: the same on every Linux that Rust has.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cpu {
    pub(super) user: f64,
    pub(super) system: f64,
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, system: self.system - earlier.system }
    }
}

impl Add for Cpu {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { user: self.user + other.user, system: self.system + other.system }
    }
}

/// A process that listens.
pub(super) struct Process {
    pub(super) address: SocketAddr,
    child: Child,
}

impl Process {
    /// This program again, with these words and then the address.
    pub(super) fn of_this_program(words: &[&str], address: SocketAddr) -> Outcome<Self> {
        Self::start(Command::new(env::current_exe()?).args(words).arg(address.to_string()), address)
    }

    /// A command that is to listen on this address; returns once it does.
    pub(super) fn start(command: &mut Command, address: SocketAddr) -> Outcome<Self> {
        let mut process = Self::start_without_waiting(command, address)?;
        let deadline = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            if let Some(ended) = process.child.try_wait()? {
                return Err(format!("{command:?} ended: {ended}").into());
            }
            if Instant::now() > deadline {
                return Err(format!("{command:?} does not listen on {address}").into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    /// A command that is to listen on this address at some time.
    pub(super) fn start_without_waiting(command: &mut Command, address: SocketAddr) -> Outcome<Self> {
        Ok(Self { address, child: command.spawn()? })
    }

    /// Its number.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has used so far, all of its threads together.
    pub(super) fn cpu(&self) -> Outcome<Cpu> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        // The fields from the third on; the second is the name in brackets, which may hold anything (proc(5)).
        let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ')).ok_or("no fields in /proc/PID/stat")?;
        let mut times = fields.skip(11).map(|ticks| ticks.parse::<f64>().map(|ticks| ticks / TICKS_PER_SECOND));
        match (times.next(), times.next()) {
            (Some(user), Some(system)) => Ok(Cpu { user: user?, system: system? }),
            _ => Err("no times in /proc/PID/stat".into()),
        }
    }

    /// The memory that is in use, in MiB: `VmRSS` of `/proc/PID/status` (proc(5)).
    pub(super) fn memory(&self) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS in /proc/PID/status")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free now.
pub(super) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
