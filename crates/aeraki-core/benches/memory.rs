//! How many bytes a service costs, by what they are for. Counts, not times: they repeat.
//!
//! `cargo bench -p aeraki-core --bench memory` prints a table; the mesh is that of the other benchmark.

use std::sync::Arc;

use aeraki_core::engine::Engine;
use aeraki_core::object::ConfigEvent;
use aeraki_core::plan::CompleteView;
use aeraki_core::reconcile::Reconciler;
use aeraki_core::registry::Registry;
use aeraki_core::settings::Settings;
use aeraki_testkit::large_mesh;
use proto_dubbo as _;
use tikv_jemalloc_ctl::{epoch, stats};

/// As the aeraki command has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SIZE: usize = 10_000;

fn allocated() -> usize {
    epoch::advance().expect("jemalloc has statistics");
    stats::allocated::read().expect("jemalloc has statistics")
}

/// Prints what came up since the last call, for each service.
struct Ledger {
    last: usize,
}

impl Ledger {
    fn note(&mut self, what: &str) {
        let now = allocated();
        let difference = now.cast_signed() - self.last.cast_signed();
        let each = difference / SIZE.cast_signed();
        println!(
            "{what:<40} {each:>7} bytes a service, {:>7.1} MiB in all",
            mebibytes(now)
        );
        self.last = now;
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is printed with one digit")]
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

fn main() {
    let registry = Registry::linked().expect("no two protocols claim one token");
    let mut ledger = Ledger { last: allocated() };
    let objects = large_mesh::objects(SIZE);
    ledger.note("the objects, decoded");
    let mut reconciler = Reconciler::new(Engine::new(Settings::default(), registry));
    for object in &objects {
        reconciler.apply(ConfigEvent::Put(Arc::clone(object)));
    }
    ledger.note("the world and its indexes");
    reconciler.view(Some(CompleteView::assert()), 1);
    reconciler.observed_whole(true);
    let step = reconciler.step();
    ledger.note("the desired, and all orders");
    drop(step);
    ledger.note("without the orders");
    let filters: Vec<_> = reconciler.engine().filters().values().cloned().collect();
    for filter in filters {
        // As it comes back from the API server: equal, in memory of its own.
        let again = aeraki_core::Content::of(&filter.content.object("a", "b"));
        reconciler.observe(&filter.key, Some(again));
    }
    drop(reconciler.step());
    ledger.note("the observed");
    drop(objects);
    ledger.note("without the bench's own references");
    println!(
        "resident now: {:.1} MiB",
        mebibytes(stats::resident::read().expect("jemalloc has statistics"))
    );
}
