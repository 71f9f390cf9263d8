//! The dashboard asks only for what is there: after the suite's calls each metric and label of each of its queries was published.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::case::{Case, Stage};
use crate::promql::{self, Asked};
use crate::statistics::{CONTROLLER, Metrics, deploy, documented_rules};
use crate::suite;

/// What Prometheus itself adds to each metric: whom it asked.
const OF_THE_TARGET: [&str; 2] = ["namespace", "pod"];

/// No stock proxy has its filter, so nobody ever saw its metrics.
const UNSEEN: &str = "kafka";

/// A panel of the dashboard.
#[derive(Debug)]
struct Panel {
    /// The title of the row that it stands in, in lower case: a protocol's name, or the controller's.
    row: String,
    title: String,
    queries: Vec<String>,
}

pub(super) async fn finds_all_it_asks_for(stage: &Stage<'_>) -> Result<()> {
    let panels = panels(&dashboard()?)?;
    let rules = documented_rules()?;
    let mut missing = vec![];
    for panel in &panels {
        let is_whole = stage.statistics().has_played(cases_of(&panel.row));
        if panel.row == UNSEEN || !is_whole {
            continue;
        }
        let stored = stage.statistics().stored(&panel.row, &rules);
        missing.extend(lacking(panel, &stored)?);
    }
    ensure!(missing.is_empty(), "{}", missing.join("\n"));
    Ok(())
}

/// All cases of a protocol, since one alone makes only some of the calls. The controller's metrics need none.
fn cases_of(row: &str) -> impl Iterator<Item = &'static Case> {
    suite::all().filter(move |case| case.protocol() == row)
}

fn dashboard() -> Result<Value> {
    let text = fs::read_to_string(deploy("dashboard/aeraki.json"))?;
    serde_json::from_str(&text).context("the dashboard is no JSON")
}

/// The panels by rows. A row that is open has its panels beside it, not inside.
fn panels(dashboard: &Value) -> Result<Vec<Panel>> {
    let mut row = None;
    let mut panels = vec![];
    for panel in dashboard["panels"].as_array().context("no panels")? {
        let title = panel["title"].as_str().context("a panel without a title")?;
        if panel["type"] == "row" {
            row = Some(title.to_lowercase());
            continue;
        }
        let targets = panel["targets"].as_array();
        let queries = targets.into_iter().flatten().map(|target| {
            let query = target["expr"].as_str();
            query.map(str::to_owned).context("a target without a query")
        });
        panels.push(Panel {
            row: row.clone().context("a panel before the first row")?,
            title: title.to_owned(),
            queries: queries.collect::<Result<_>>()?,
        });
    }
    Ok(panels)
}

/// What the panel asks for, and nobody published.
fn lacking(panel: &Panel, stored: &Metrics) -> Result<Vec<String>> {
    let mut lacking = vec![];
    for query in &panel.queries {
        let asked = promql::asked(query).with_context(|| panel.title.clone())?;
        for what in asked.iter().filter_map(|asked| lack(panel, asked, stored)) {
            lacking.push(format!("{} / {}: {what}", panel.row, panel.title));
        }
    }
    Ok(lacking)
}

fn lack(panel: &Panel, asked: &Asked, stored: &Metrics) -> Option<String> {
    let Asked { metric, labels } = asked;
    let Some(known) = stored.get(metric) else {
        // What only trouble brings about is not there without it: then the documents must know it.
        let is_documented = panel.row == CONTROLLER && documented(metric, labels);
        return (!is_documented).then(|| format!("no {metric}"));
    };
    let mut labels = labels.iter();
    let is_unknown = |label: &&String| {
        !known.labels.contains(*label) && !OF_THE_TARGET.contains(&label.as_str())
    };
    if let Some(label) = labels.find(is_unknown) {
        return Some(format!("{metric} has no label {label}"));
    }
    // A counter that stays 0 would be the wrong one.
    let counts = !panel.title.starts_with("Calls") || known.highest > 0.0;
    (!counts).then(|| format!("{metric} has counted nothing"))
}

/// Whether the operators' page names the controller's metric, as `name{label,label}`, with all of these labels.
fn documented(metric: &str, labels: &BTreeSet<String>) -> bool {
    let page = include_str!("../../../../docs/operations.md");
    page.split('`').any(|quoted| {
        let (name, inside) = quoted.split_once('{').unwrap_or((quoted, "}"));
        let known: Vec<&str> = inside.trim_end_matches('}').split(',').collect();
        name == metric && labels.iter().all(|label| known.contains(&label.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::statistics::Statistics;

    fn lacks(title: &str, query: &str) -> String {
        let statistics = Statistics::default();
        statistics.saw("redis", "a{b=\"c\"} 1\nz{} 0\n");
        let panel = Panel {
            row: "redis".to_owned(),
            title: title.to_owned(),
            queries: vec![query.to_owned()],
        };
        let stored = statistics.stored("redis", &[]);
        lacking(&panel, &stored).unwrap().join(", ")
    }

    #[test]
    fn what_is_there_is_found() {
        assert_eq!(
            lacks("Calls", "sum by (b) (rate(a{namespace=\"x\"}[1m]))"),
            ""
        );
        assert_eq!(lacks("Errors", "z"), "");
    }

    #[test]
    fn what_is_not_there_is_told() {
        assert_eq!(lacks("Errors", "a + d"), "redis / Errors: no d");
        assert_eq!(
            lacks("Errors", "a{e=\"f\"}"),
            "redis / Errors: a has no label e"
        );
        assert_eq!(
            lacks("Calls", "rate(z[1m])"),
            "redis / Calls: z has counted nothing"
        );
    }

    #[test]
    fn what_only_trouble_brings_about_is_in_the_documents() {
        let documented = |metric: &str, labels: &[&str]| {
            let labels = labels.iter().map(|&label| label.to_owned());
            super::documented(metric, &labels.collect())
        };
        assert!(documented("aeraki_envoyfilters_held", &["reason"]));
        assert!(documented("aeraki_xds_stream_restarts_total", &["reason"]));
        assert!(documented("aeraki_envoyfilters_pending", &[]));
        assert!(!documented("aeraki_envoyfilters_held", &["code"]));
        assert!(!documented("aeraki_envoyfilters_kept", &[]));
    }

    /// Each row is somebody whose metrics are seen, and each query is understood.
    #[test]
    fn dashboard_is_read_whole() {
        let dashboard = dashboard().unwrap();
        let mut rows: Vec<String> = panels(&dashboard)
            .unwrap()
            .into_iter()
            .map(|it| it.row)
            .collect();
        rows.dedup();
        let wanted = ["dubbo", "thrift", "redis", "zookeeper", UNSEEN, CONTROLLER];
        assert_eq!(rows, wanted);
        for panel in panels(&dashboard).unwrap() {
            assert!(!panel.queries.is_empty(), "{panel:?}");
            for query in &panel.queries {
                promql::asked(query).unwrap();
            }
        }
    }

    #[test]
    fn page_explains_every_metric_of_sidecars() {
        let page = include_str!("../../../../docs/statistics.md");
        let panels = panels(&dashboard().unwrap()).unwrap();
        for query in panels.iter().flat_map(|panel| &panel.queries) {
            for Asked { metric, .. } in promql::asked(query).unwrap() {
                let name = metric.trim_end_matches("_bucket");
                assert!(
                    !name.starts_with("envoy_") || page.contains(name),
                    "{metric}"
                );
            }
        }
    }

    /// So that it can be imported into any Grafana.
    #[test]
    fn every_panel_asks_the_chosen_data_source() {
        let dashboard = dashboard().unwrap();
        let chosen = json!({"type": "prometheus", "uid": "${datasource}"});
        let panels = dashboard["panels"].as_array().unwrap();
        for panel in panels.iter().filter(|panel| panel["type"] != "row") {
            assert_eq!(panel["datasource"], chosen, "{}", panel["title"]);
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"], chosen, "{}", panel["title"]);
            }
        }
        let ids: BTreeSet<u64> = panels
            .iter()
            .map(|panel| panel["id"].as_u64().unwrap())
            .collect();
        assert_eq!(ids.len(), panels.len(), "each has an id of its own");
    }
}
