//! `weir health`: asks a running host's `/readyz`, for the health check of a container that has no other program.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{ArgMatches, Command};

use super::run;

/// How long connecting, and each piece of the answer, may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most bytes of an answer that are read.
const MOST_BYTES: u64 = 65_536;

pub(super) fn command() -> Command {
    run::with_settings(Command::new("health")).about("Says whether the host at ADMIN_LISTEN is ready").after_help(
        "Exit status: 0 if it is ready, 1 if it is not or does not answer. Give it the settings that `weir run` was \
         given.",
    )
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let settings = match run::settings(matches) {
        Ok(settings) => settings,
        Err(error) => {
            super::complain(&error.to_string());
            return ExitCode::from(super::WRONG);
        }
    };
    let address = reachable(settings.admin_listen);
    match ask(address).with_context(|| format!("no answer from {address} (ADMIN_LISTEN)")) {
        Ok((ready, body)) => {
            let _ = writeln!(std::io::stdout(), "{body}");
            if ready { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) }
        }
        Err(error) => {
            super::complain(&super::with_causes(&error));
            ExitCode::from(super::FAILED)
        }
    }
}

/// Returns the address to ask. A server that listens on every address is asked on the loopback one.
fn reachable(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

/// Returns whether the answer is 200, and its body.
fn ask(address: SocketAddr) -> anyhow::Result<(bool, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(MOST_BYTES).read_to_string(&mut answer)?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("what answers there does not speak HTTP") };
    Ok((head.split(' ').nth(1) == Some("200"), body.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server that gives one answer.
    fn answers(text: &'static str) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("somebody asks");
            let mut request = [0; 1024];
            let read = stream.read(&mut request).expect("a request comes");
            assert!(request[..read].starts_with(b"GET /readyz HTTP/1.1\r\n"));
            stream.write_all(text.as_bytes()).expect("the answer is taken");
        });
        address
    }

    #[test]
    fn only_200_is_ready() {
        let ready = answers("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
        assert_eq!(ask(ready).expect("it answers"), (true, "{}".to_owned()));
        let waits = answers("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"ready\":false}");
        assert_eq!(ask(waits).expect("it answers"), (false, "{\"ready\":false}".to_owned()));
        assert!(ask(answers("220 mail\r\n")).is_err());
    }

    #[test]
    fn who_listens_everywhere_is_asked_on_loopback() {
        let reached = |address: &str| reachable(address.parse().expect("an address")).to_string();
        assert_eq!(reached("0.0.0.0:7070"), "127.0.0.1:7070");
        assert_eq!(reached("[::]:7070"), "[::1]:7070");
        assert_eq!(reached("10.0.0.4:7070"), "10.0.0.4:7070");
    }
}
