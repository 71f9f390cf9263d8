//! What was measured at one size: a line of the table and of the JSON.

use serde::{Deserialize, Serialize};

use crate::hostile::Cost;

/// The numbers at one size. Names end in the unit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Services in the mesh, each with a VirtualService and a DestinationRule.
    pub(crate) n: usize,
    /// Decoded objects → EnvoyFilters as text.
    pub(crate) full_generation_ms: f64,
    /// istiod's answers as bytes → EnvoyFilters as text.
    pub(crate) wire_to_filters_ms: f64,
    /// Decoding the same answers, and encoding the same EnvoyFilters.
    pub(crate) floor_ms: f64,
    /// One VirtualService → its EnvoyFilter.
    pub(crate) one_change_us: f64,
    /// All of istiod's answers again.
    pub(crate) unchanged_push_ms: f64,
    /// Decoding them.
    pub(crate) decode_floor_ms: f64,
    /// The command from its start until it has seen everything and made a plan.
    pub(crate) start_to_plan_s: f64,
    /// The command from its start until the last EnvoyFilter is written.
    pub(crate) start_to_all_s: f64,
    /// Processor time of the command until then.
    pub(crate) start_cpu_s: f64,
    /// The most that was ever resident.
    pub(crate) peak_rss_mib: f64,
    /// What stays resident, with the whole mesh.
    pub(crate) steady_rss_mib: f64,
    /// What is resident without any service.
    pub(crate) idle_rss_mib: f64,
    /// Processor time without any event, of one core.
    pub(crate) idle_cpu_percent: f64,
    /// A push of one change → its EnvoyFilter is written: the median.
    pub(crate) change_to_write_ms: f64,
    /// Calls about EnvoyFilters while all of them were created.
    pub(crate) api_calls_at_start: u64,
    /// Writes that pushes without a change caused.
    pub(crate) writes_on_noop: u64,
    /// Processor time of a push without a change.
    pub(crate) noop_push_cpu_ms: f64,
    /// Writes that new streams caused.
    pub(crate) writes_on_reconnect: u64,
    /// What the new streams have left resident.
    pub(crate) reconnect_growth_mib: f64,
    /// Under a burst of changes, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) burst: Option<Burst>,
}

/// What a burst of changes did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Burst {
    /// Changes, all in all.
    pub(crate) changes: usize,
    /// For how long.
    pub(crate) seconds: f64,
    /// From the last change until every EnvoyFilter was as it should be.
    pub(crate) settled_s: f64,
    /// Writes, all in all.
    pub(crate) writes: u64,
    /// Processor time of the command meanwhile.
    pub(crate) cpu_s: f64,
    /// What is resident afterwards.
    pub(crate) rss_mib: f64,
}

/// Everything that a run has measured, and on what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The processor's name.
    pub(crate) processor: String,
    /// How many of them.
    pub(crate) processors: usize,
    /// The source of config.
    pub(crate) source: String,
    /// Runs of each part in the process; the rows have their medians.
    pub(crate) runs: usize,
    /// By size.
    pub(crate) rows: Vec<Row>,
    /// What hostile config costs.
    pub(crate) hostile: Vec<Cost>,
}
