use std::time::Instant;

use super::*;

const SIGN: &[u8] = b"a host";

/// Puts a proxy before a server that answers each message with the same bytes.
fn echo(proxy: Proxy) -> (Proxy, SocketAddr) {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let target = server.local_addr().expect("a port").to_string();
    thread::spawn(move || {
        for mut stream in server.incoming().filter_map(Result::ok) {
            thread::spawn(move || {
                let mut bytes = [0; 1024];
                while let Ok(read @ 1..) = stream.read(&mut bytes) {
                    if stream.write_all(&bytes[..read]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    let address = proxy.before(&target).expect("a proxy");
    (proxy, address)
}

fn client(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    stream
}

fn signed(address: SocketAddr, name: &[u8]) -> TcpStream {
    let mut stream = client(address);
    assert_eq!(answer(&mut stream, name), name);
    stream
}

fn answer(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    if stream.write_all(bytes).is_err() { Vec::new() } else { arrives(stream, bytes.len()) }
}

fn arrives(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut answer = vec![0; length];
    if stream.read_exact(&mut answer).is_err() {
        answer.clear();
    }
    answer
}

#[test]
fn only_those_who_sent_the_sign_are_cut_off() {
    let (proxy, address) = echo(Proxy::for_those_who_send(SIGN));
    let (mut host, mut other) = (signed(address, SIGN), signed(address, b"member"));
    assert_eq!(proxy.cut(), 1);
    assert_eq!(answer(&mut host, b"more"), b"");
    assert_eq!(answer(&mut other, b"more"), b"more");
    assert_eq!(answer(&mut client(address), b"new"), b"new");
}

#[test]
fn one_reply_is_lost() {
    let (proxy, address) = echo(Proxy::for_those_who_send(SIGN));
    let (mut host, mut other) = (signed(address, SIGN), signed(address, SIGN));
    proxy.lose_reply_to(b"commit");
    assert_eq!(answer(&mut host, b"insert"), b"insert");
    assert_eq!(answer(&mut host, b"a commit"), b"");
    assert_eq!(answer(&mut other, b"a commit"), b"a commit");
    assert_eq!(proxy.lost(), 1);
}

#[test]
fn what_hangs_arrives_once_the_proxy_is_open() {
    for direction in [Direction::ToServer, Direction::ToClient] {
        let (proxy, address) = echo(Proxy::new());
        let mut known = client(address);
        proxy.hang(direction);
        let mut new = client(address);
        for stream in [&mut known, &mut new] {
            stream.write_all(b"hello").expect("the connection is open");
            stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
            assert_eq!(arrives(stream, 5), b"");
            stream.set_read_timeout(None).expect("no timeout");
        }
        proxy.open();
        for stream in [&mut known, &mut new] {
            assert_eq!(arrives(stream, 5), b"hello");
        }
    }
}

#[test]
fn a_closed_proxy_breaks_new_connections_too() {
    let (proxy, address) = echo(Proxy::new());
    let mut known = signed(address, b"first");
    proxy.close();
    assert_eq!(answer(&mut known, b"more"), b"");
    assert_eq!(answer(&mut client(address), b"more"), b"");
    proxy.open();
    assert_eq!(answer(&mut client(address), b"more"), b"more");
}

#[test]
fn what_is_delayed_arrives_later() {
    for direction in [Direction::ToServer, Direction::ToClient] {
        let (proxy, address) = echo(Proxy::new());
        let mut known = client(address);
        proxy.delay(direction, Duration::from_millis(100));
        let begun = Instant::now();
        assert_eq!(answer(&mut known, b"hello"), b"hello");
        assert!(begun.elapsed() >= Duration::from_millis(100));
    }
}
