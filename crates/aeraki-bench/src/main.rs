//! How fast and how small: `cargo xtask bench`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;

use row::{Report, Row};
use source::Source;

mod api_server;
mod command;
mod hostile;
mod page;
mod pipeline;
mod plot;
mod row;
mod scenario;
mod source;
mod table;

/// As the aeraki command has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures the command and its parts, with config from an istiod and an API server in this process.
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// The command under measurement.
    #[arg(long, value_name = "FILE", hide = true)]
    aeraki: PathBuf,
    /// Numbers of services.
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        default_value = "100,1000,10000,100000"
    )]
    sizes: Vec<usize>,
    /// Where the command has its config from.
    #[arg(long, value_enum, default_value = "xds")]
    source: Source,
    /// Runs of each part in this process; what is told is their median.
    #[arg(long, value_name = "N", default_value_t = 11)]
    runs: usize,
    /// The size at which there is a burst of 1,000 changes a second.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    burst_at: usize,
    /// How long the burst is.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    burst_seconds: u64,
    /// Writes the numbers here as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes docs/performance.md and its plots into this directory.
    #[arg(long, value_name = "DIRECTORY")]
    page: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut rows = Vec::new();
    for &size in &arguments.sizes {
        eprintln!("{size} services …");
        let mut row = in_process(size, arguments.runs)?;
        let burst = Duration::from_secs(arguments.burst_seconds);
        let burst = (size == arguments.burst_at && !burst.is_zero()).then_some(burst);
        let scenario = scenario::run(&arguments.aeraki, arguments.source, burst, &mut row);
        runtime
            .block_on(scenario)
            .with_context(|| format!("at {size} services"))?;
        rows.push(row);
    }
    let report = Report {
        processor: processor()?,
        processors: std::thread::available_parallelism()?.get(),
        source: arguments.source.name().to_owned(),
        runs: arguments.runs,
        rows,
        hostile: hostile::measure()?,
    };
    print!(
        "{}\n{}",
        table::of(&report.rows),
        table::of_hostile(&report.hostile)
    );
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_string_pretty(&report.rows)? + "\n")?;
    }
    if let Some(directory) = &arguments.page {
        page::write(&report, directory)?;
    }
    Ok(())
}

fn in_process(size: usize, runs: usize) -> Result<Row> {
    let times = pipeline::measure(size, runs)?;
    let ms = |duration: Duration| duration.as_secs_f64() * 1_000.0;
    Ok(Row {
        n: size,
        full_generation_ms: ms(times.full_generation),
        wire_to_filters_ms: ms(times.wire_to_filters),
        floor_ms: ms(times.floor),
        decode_floor_ms: ms(times.decode_floor),
        one_change_us: ms(times.one_change) * 1_000.0,
        unchanged_push_ms: ms(times.unchanged_push),
        ..Row::default()
    })
}

fn processor() -> Result<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo")?;
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    Ok(name.map_or("unknown", |(_, name)| name.trim()).to_owned())
}
