//! What happens to the command: it starts, there are changes, pushes without one, new streams, a burst.

use std::path::Path;
use std::time::{Duration, Instant};

use aeraki_testkit::large_mesh::{FILTERS_OF_A_SERVICE, Member};
use anyhow::{Result, bail};
use tokio::time::{sleep, sleep_until, timeout};

use crate::command::Controller;
use crate::row::{Burst, Row};
use crate::source::{Mesh, Source};

/// A while in which nothing happens, so that what is late comes in.
const LULL: Duration = Duration::from_secs(2);

/// Over so long it is seen what the command does when nothing happens.
const IDLE: Duration = Duration::from_secs(10);

/// Changes one after the other, pushes without a change, and new streams.
const CHANGES: usize = 50;
const NOOP_PUSHES: u32 = 20;
const RECONNECTS: usize = 20;

/// Changes each second of a burst.
const CHANGES_PER_SECOND: usize = 1_000;

/// istiod merges what comes within this time into one push.
const ISTIOD_DEBOUNCE: Duration = Duration::from_millis(100);

/// Fills the row with what the whole command does.
pub(crate) async fn run(
    program: &Path,
    source: Source,
    burst: Option<Duration>,
    row: &mut Row,
) -> Result<()> {
    idle(program, source, row).await?;
    let mut mesh = Mesh::start(source, row.n).await?;
    let mut aeraki = Controller::start(program, mesh.place(), source, &mesh.istiod.address())?;
    start(&mut mesh, &mut aeraki, row).await?;
    single_changes(&mut mesh, &mut aeraki, row).await?;
    if source == Source::Xds {
        noop_pushes(&mesh, &aeraki, row).await?;
        reconnects(&mut mesh, &mut aeraki, row).await?;
    }
    if let Some(length) = burst {
        row.burst = Some(self::burst(&mut mesh, &mut aeraki, length).await?);
    }
    row.peak_rss_mib = aeraki.usage()?.peak_mib;
    Ok(())
}

async fn idle(program: &Path, source: Source, row: &mut Row) -> Result<()> {
    let mesh = Mesh::start(source, 0).await?;
    let mut aeraki = Controller::start(program, mesh.place(), source, &mesh.istiod.address())?;
    aeraki.planned().await?;
    sleep(LULL).await;
    let before = aeraki.usage()?.cpu_seconds;
    sleep(IDLE).await;
    row.idle_cpu_percent = (aeraki.usage()?.cpu_seconds - before) / IDLE.as_secs_f64() * 100.0;
    row.idle_rss_mib = aeraki.usage()?.resident_mib;
    Ok(())
}

async fn start(mesh: &mut Mesh, aeraki: &mut Controller, row: &mut Row) -> Result<()> {
    row.start_to_plan_s = aeraki.planned().await?.as_secs_f64();
    while mesh.api_server.filters() < mesh.size * FILTERS_OF_A_SERVICE {
        aeraki.check("it has written everything")?;
        sleep(Duration::from_millis(10)).await;
    }
    row.start_to_all_s = aeraki.age().as_secs_f64();
    row.start_cpu_s = aeraki.usage()?.cpu_seconds;
    row.api_calls_at_start = mesh.api_server.calls().values().sum();
    sleep(LULL).await;
    row.steady_rss_mib = aeraki.usage()?.resident_mib;
    Ok(())
}

async fn single_changes(mesh: &mut Mesh, aeraki: &mut Controller, row: &mut Row) -> Result<()> {
    let mut times = Vec::with_capacity(CHANGES);
    for turn in 0..CHANGES {
        let (member, method) = (Member(turn * 7919 % mesh.size), format!("single{turn}"));
        mesh.change(member, &method)?;
        let began = Instant::now();
        mesh.push();
        until_written(mesh, aeraki, member, &method).await?;
        times.push(began.elapsed());
        sleep(Duration::from_millis(50)).await;
    }
    times.sort_unstable();
    row.change_to_write_ms = times[CHANGES / 2].as_secs_f64() * 1_000.0;
    Ok(())
}

async fn until_written(
    mesh: &Mesh,
    aeraki: &mut Controller,
    member: Member,
    method: &str,
) -> Result<()> {
    while !mesh.has(member, method) {
        aeraki.check("it has written a change")?;
        // A write that came between the look and the wait is seen at the next turn.
        drop(timeout(Duration::from_millis(5), mesh.api_server.written()).await);
    }
    Ok(())
}

async fn noop_pushes(mesh: &Mesh, aeraki: &Controller, row: &mut Row) -> Result<()> {
    sleep(LULL).await;
    let (writes, cpu) = (mesh.api_server.writes(), aeraki.usage()?.cpu_seconds);
    for _ in 0..NOOP_PUSHES {
        mesh.istiod.push();
        sleep(Duration::from_millis(250)).await;
    }
    sleep(LULL).await;
    row.writes_on_noop = mesh.api_server.writes() - writes;
    row.noop_push_cpu_ms = (aeraki.usage()?.cpu_seconds - cpu) / f64::from(NOOP_PUSHES) * 1_000.0;
    Ok(())
}

async fn reconnects(mesh: &mut Mesh, aeraki: &mut Controller, row: &mut Row) -> Result<()> {
    let (writes, before) = (mesh.api_server.writes(), aeraki.usage()?.resident_mib);
    for _ in 0..RECONNECTS {
        let streams = mesh.istiod.seen().tokens.len();
        mesh.istiod.break_off();
        while mesh.istiod.seen().tokens.len() == streams {
            aeraki.check("it has connected again")?;
            sleep(Duration::from_millis(10)).await;
        }
    }
    sleep(LULL).await;
    row.writes_on_reconnect = mesh.api_server.writes() - writes;
    row.reconnect_growth_mib = aeraki.usage()?.resident_mib - before;
    Ok(())
}

/// Changes at a steady rate, each of another service, round and round.
async fn burst(mesh: &mut Mesh, aeraki: &mut Controller, length: Duration) -> Result<Burst> {
    let (writes, cpu) = (mesh.api_server.writes(), aeraki.usage()?.cpu_seconds);
    let began = Instant::now();
    let mut last = vec![None; mesh.size];
    let mut changes = 0;
    let mut slice = 0_u32;
    while began.elapsed() < length {
        for _ in 0..CHANGES_PER_SECOND / 10 {
            let member = changes * 7919 % mesh.size;
            let method = format!("burst{changes}");
            mesh.change(Member(member), &method)?;
            last[member] = Some(method);
            changes += 1;
        }
        mesh.push();
        slice += 1;
        sleep_until((began + ISTIOD_DEBOUNCE * slice).into()).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    let ended = Instant::now();
    let is_late = |(member, method): (usize, &Option<String>)| {
        method
            .as_ref()
            .is_some_and(|method| !mesh.has(Member(member), method))
    };
    while last.iter().enumerate().any(is_late) {
        aeraki.check("it has settled after a burst")?;
        if ended.elapsed() > Duration::from_secs(120) {
            bail!("the last changes of a burst are not there after two minutes");
        }
        sleep(Duration::from_millis(20)).await;
    }
    let settled_s = ended.elapsed().as_secs_f64();
    sleep(LULL).await;
    Ok(Burst {
        changes,
        seconds,
        settled_s,
        writes: mesh.api_server.writes() - writes,
        cpu_s: aeraki.usage()?.cpu_seconds - cpu,
        rss_mib: aeraki.usage()?.resident_mib,
    })
}
