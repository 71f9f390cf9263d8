//! The numbers as a table in Markdown: a line for each, a column for each size.

use crate::hostile::Cost;
use crate::row::Row;

/// One number of a row.
struct Line {
    what: &'static str,
    /// What it is to be at 10,000 services, unless it says something else.
    bar: &'static str,
    value: fn(&Row) -> String,
}

const LINES: [Line; 21] = [
    line("full generation, ms", "≤ 100", |row| {
        number(row.full_generation_ms)
    }),
    line("istiod's bytes to EnvoyFilters, ms", "", |row| {
        number(row.wire_to_filters_ms)
    }),
    line("floor: decode and encode alone, ms", "", |row| {
        number(row.floor_ms)
    }),
    line("full generation, times the floor", "≤ 3", |row| {
        ratio(row.full_generation_ms, row.floor_ms)
    }),
    line(
        "istiod's bytes to EnvoyFilters, times the floor",
        "",
        |row| ratio(row.wire_to_filters_ms, row.floor_ms),
    ),
    line(
        "one change, µs",
        "≤ 200; at 100,000 within twice",
        |row| number(row.one_change_us),
    ),
    line("unchanged push of everything, ms", "", |row| {
        number(row.unchanged_push_ms)
    }),
    line("floor: decode it, ms", "", |row| {
        number(row.decode_floor_ms)
    }),
    line("unchanged push, times the floor", "≤ 2", |row| {
        ratio(row.unchanged_push_ms, row.decode_floor_ms)
    }),
    line("start to first complete plan, s", "≤ 1.5", |row| {
        number(row.start_to_plan_s)
    }),
    line("start to all EnvoyFilters written, s", "", |row| {
        number(row.start_to_all_s)
    }),
    line("processor time until then, s", "", |row| {
        number(row.start_cpu_s)
    }),
    line("calls about EnvoyFilters until then", "", |row| {
        row.api_calls_at_start.to_string()
    }),
    line(
        "a push of one change to its write, ms (median)",
        "",
        |row| number(row.change_to_write_ms),
    ),
    line("writes on pushes without a change", "0", |row| {
        row.writes_on_noop.to_string()
    }),
    line("processor time of such a push, ms", "", |row| {
        number(row.noop_push_cpu_ms)
    }),
    line("writes on new streams", "0", |row| {
        row.writes_on_reconnect.to_string()
    }),
    line(
        "peak of resident memory, MiB",
        "≤ 100; at 100,000 ≤ 800",
        |row| number(row.peak_rss_mib),
    ),
    line("resident with the whole mesh, MiB", "", |row| {
        number(row.steady_rss_mib)
    }),
    line("resident without any service, MiB", "≤ 15", |row| {
        number(row.idle_rss_mib)
    }),
    line("processor without any event, %", "< 0.5", |row| {
        number(row.idle_cpu_percent)
    }),
];

/// The table of hostile config.
pub(crate) fn of_hostile(costs: &[Cost]) -> String {
    let mut lines = vec![
        "| hostile config | taken, ms | EnvoyFilters | another change before, µs | and with it, µs | said of it |\n".to_owned(),
        "| --- | ---: | ---: | ---: | ---: | --- |\n".to_owned(),
    ];
    lines.extend(costs.iter().map(|cost| {
        let Cost { what, filters, .. } = cost;
        let (taken, before) = (number(cost.taken_ms), number(cost.other_before_us));
        let (with_it, codes) = (number(cost.other_us), cost.codes.join(", "));
        format!("| {what} | {taken} | {filters} | {before} | {with_it} | {codes} |\n")
    }));
    lines.concat()
}

const fn line(what: &'static str, bar: &'static str, value: fn(&Row) -> String) -> Line {
    Line { what, bar, value }
}

/// The table of all rows.
pub(crate) fn of(rows: &[Row]) -> String {
    let head = rows.iter().map(|row| thousands(row.n));
    let mut lines = vec![
        markdown("services", head, "bar at 10,000"),
        markdown("---", rows.iter().map(|_| "---:".to_owned()), "---"),
    ];
    let numbers = LINES.iter();
    lines.extend(numbers.map(|each| markdown(each.what, rows.iter().map(each.value), each.bar)));
    lines.concat()
}

fn markdown(what: &str, values: impl Iterator<Item = String>, bar: &str) -> String {
    let values: String = values.map(|value| format!(" {value} |")).collect();
    format!("| {what} |{values} {bar} |\n")
}

/// With three digits that say something.
fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn ratio(of: f64, to: f64) -> String {
    number(of / to)
}

/// `10000` as `10,000`.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let start = digits.len() % 3;
    let groups = digits.as_bytes()[start..].chunks(3);
    let groups = groups.map(|group| String::from_utf8_lossy(group).into_owned());
    let first = (start > 0).then(|| digits[..start].to_owned());
    first
        .into_iter()
        .chain(groups)
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_threes() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (100_000, "100,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn the_table_has_a_column_for_each_size() {
        let rows = [100, 1_000].map(|n| Row {
            n,
            floor_ms: 2.0,
            wire_to_filters_ms: 5.0,
            ..Row::default()
        });
        let table = of(&rows);
        assert!(table.starts_with(
            "| services | 100 | 1,000 | bar at 10,000 |\n| --- | ---: | ---: | --- |\n"
        ));
        assert!(
            table
                .contains("| istiod's bytes to EnvoyFilters, times the floor | 2.50 | 2.50 |  |\n"),
            "{table}"
        );
        assert!(
            table.lines().all(|line| line.matches('|').count() == 5),
            "{table}"
        );
    }
}
