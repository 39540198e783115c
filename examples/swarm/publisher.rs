//! Publishes through Redis, pipelined, or over HTTP in batches.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::Options;
use super::common::{Fault, publishing};

/// How many messages go out in one go.
const BATCH: usize = 500;

/// Publishes all events, each batch as soon as the one before has been taken and the rate allows it; says
/// how long it took.
pub fn publish_all(options: &Options, begun: Instant) -> Result<Duration, Fault> {
    let started = Instant::now();
    let mut stream = TcpStream::connect(options.redis.as_ref().unwrap_or(&options.hub))?;
    stream.set_nodelay(true)?;
    let channel = format!("campaign:{}", options.campaign);
    // fifty batches a second where there is a rate
    let batch = options.rate.map_or(BATCH, |rate| (rate / 50).clamp(1, BATCH));
    for first in (0..options.events).step_by(batch) {
        if let Some(rate) = options.rate {
            let due = Duration::from_secs_f64(first as f64 / rate as f64);
            std::thread::sleep(due.saturating_sub(started.elapsed()));
        }
        let numbers = first..(first + batch).min(options.events);
        let payloads: Vec<String> = numbers.map(|seq| payload(seq, begun)).collect();
        match options.redis {
            Some(_) => publish_redis(&mut stream, &channel, &payloads)?,
            None => publish_http(&mut stream, options, &channel, &payloads)?,
        }
    }
    Ok(started.elapsed())
}

fn payload(seq: usize, begun: Instant) -> String {
    format!(r#"{{"eventType":"updated","seq":{seq},"sent":{}}}"#, begun.elapsed().as_micros())
}

fn publish_redis(stream: &mut TcpStream, channel: &str, payloads: &[String]) -> Result<(), Fault> {
    let request: String = payloads.iter().map(|payload| publishing::to_redis(channel, payload)).collect();
    stream.write_all(request.as_bytes())?;
    let mut answers = Vec::new();
    while answers.iter().filter(|byte| **byte == b'\n').count() < payloads.len() {
        read_some(stream, &mut answers)?;
    }
    let text = String::from_utf8_lossy(&answers);
    match text.lines().find(|line| !line.starts_with(':') || *line == ":0") {
        Some(":0") => Err("nobody has subscribed to Redis".into()),
        Some(error) => Err(error.to_owned().into()),
        None => Ok(()),
    }
}

fn publish_http(
    stream: &mut TcpStream,
    options: &Options,
    channel: &str,
    payloads: &[String],
) -> Result<(), Fault> {
    let items: Vec<String> = payloads.iter().map(|payload| publishing::item(channel, payload)).collect();
    let request = publishing::over_http(&options.hub, &options.token, &format!("[{}]", items.join(",")));
    stream.write_all(request.as_bytes())?;
    let answer = read_http(stream)?;
    if !answer.starts_with("HTTP/1.1 202") || answer.contains(r#""ok":false"#) {
        return Err(answer.into());
    }
    Ok(())
}

/// One answer, whose head says how long its body is.
fn read_http(stream: &mut TcpStream) -> Result<String, Fault> {
    let mut bytes = Vec::new();
    loop {
        read_some(stream, &mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        if publishing::is_whole_answer(&text) {
            return Ok(text.into_owned());
        }
    }
}

fn read_some(stream: &mut TcpStream, into: &mut Vec<u8>) -> Result<(), Fault> {
    let mut buffer = [0; 16 * 1024];
    match stream.read(&mut buffer)? {
        0 => Err("the connection was closed".into()),
        n => {
            into.extend_from_slice(&buffer[..n]);
            Ok(())
        }
    }
}
