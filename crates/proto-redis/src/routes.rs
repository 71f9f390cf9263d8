//! The route table: which key goes to which cluster, where its reads go, and where copies go.
//!
//! Envoy takes the route with the longest prefix, so the order of routes means nothing. A route that leads nowhere keeps
//! its keys and their commands fail; nothing falls through to another server.

use std::collections::BTreeMap;

use aeraki_api::envoy::redis::redis_proxy::PrefixRoutes;
use aeraki_api::envoy::redis::redis_proxy::prefix_routes::Route;
use aeraki_api::envoy::redis::redis_proxy::prefix_routes::route::{
    ReadCommandPolicy, RequestMirrorPolicy,
};
use aeraki_core::diagnostic::{Code, Diagnostic};
use aeraki_core::generator::{GenerateError, ServiceContext};
use aeraki_core::object::Object;
use aeraki_core::route::Action;

use crate::faults::{ALWAYS, fraction, per_million};
use crate::inputs::Given;
use crate::spec::{self, KeyMatch, RedisService};
use crate::{codes, destination, original_dst};

/// Envoy's limit for a prefix, in bytes.
pub(crate) const MAX_PREFIX: usize = 1000;

/// The route table of the port; `None` if plain TCP reaches the service and `redis_proxy` would not.
pub(crate) fn prefix_routes(
    ctx: &ServiceContext<'_>,
    given: Option<&Given<'_, RedisService>>,
) -> Result<Option<PrefixRoutes>, GenerateError> {
    let mut table = match given {
        Some(given) => from_redis_service(ctx, given)?,
        None => PrefixRoutes::default(),
    };
    if let (Some(_), Some(rule), Some(given)) =
        (&table.catch_all_route, ctx.virtual_service(), given)
    {
        let sentence = format!("{} routes every key", given.object.key);
        let code = &codes::UNUSED_VIRTUAL_SERVICE;
        ctx.report(Diagnostic::new(code, &rule.key, sentence).at("spec.hosts"));
    }
    let elsewhere = |route: &Route| route.cluster != ctx.outbound_cluster();
    let sent_elsewhere = table.catch_all_route.as_ref().is_some_and(elsewhere);
    let catch_all = table
        .catch_all_route
        .get_or_insert_with(|| default_route(ctx));
    if !sent_elsewhere && original_dst::is_of(ctx, &catch_all.cluster) {
        let sentence = format!("port {} stays plain TCP", ctx.port().number());
        let diagnostic = Diagnostic::new(&codes::ORIGINAL_DST, ctx.service().object(), sentence);
        ctx.report(diagnostic.at(ctx.port().field()));
        return Ok(None);
    }
    Ok(Some(table))
}

/// To the service itself, or to where a VirtualService sends its tcp traffic.
fn default_route(ctx: &ServiceContext<'_>) -> Route {
    let own = ctx
        .outbound_routes()
        .routes
        .into_iter()
        .next()
        .map(|route| route.action);
    let cluster = match own {
        Some(Action::Cluster(cluster)) => cluster,
        // Weights are not among what the registration says Redis can express.
        Some(Action::Weighted(_)) | None => ctx.outbound_cluster(),
    };
    Route {
        cluster,
        ..Route::default()
    }
}

fn from_redis_service(
    ctx: &ServiceContext<'_>,
    given: &Given<'_, RedisService>,
) -> Result<PrefixRoutes, GenerateError> {
    let mut table = Table::new(ctx, given);
    for (i, entry) in given.spec.redis.iter().enumerate() {
        table.add(entry, i)?;
    }
    let routes = table.finish();
    if routes.catch_all_route.is_none() && !routes.routes.is_empty() {
        let sentence = "no route without `match`: all other keys go to the service itself";
        let diagnostic = Diagnostic::new(&codes::OWN_CATCH_ALL, &given.object.key, sentence);
        ctx.report(diagnostic.at("spec.redis"));
    }
    Ok(routes)
}

/// A route table in the making.
struct Table<'a> {
    ctx: &'a ServiceContext<'a>,
    given: &'a Given<'a, RedisService>,
    ignores_case: bool,
    /// Which entry has which prefix.
    prefixes: BTreeMap<String, usize>,
    routes: Vec<Route>,
    catch_all: Option<(usize, Route)>,
}

impl<'a> Table<'a> {
    fn new(ctx: &'a ServiceContext<'a>, given: &'a Given<'a, RedisService>) -> Self {
        let ignores_case = given.spec.settings.case_insensitive;
        let (prefixes, routes) = (BTreeMap::new(), Vec::new());
        Self {
            ctx,
            given,
            ignores_case,
            prefixes,
            routes,
            catch_all: None,
        }
    }

    fn add(&mut self, entry: &spec::Route, index: usize) -> Result<(), GenerateError> {
        let field = format!("spec.redis[{index}]");
        match entry
            .r#match
            .key
            .as_ref()
            .filter(|key| !key.prefix.is_empty())
        {
            Some(key) => self.add_prefix(entry, key, index, &field),
            None => {
                self.add_catch_all(entry, index, &field);
                Ok(())
            }
        }
    }

    fn add_prefix(
        &mut self,
        entry: &spec::Route,
        key: &KeyMatch,
        index: usize,
        field: &str,
    ) -> Result<(), GenerateError> {
        let place = format!("{field}.match.key.prefix");
        if key.prefix.len() > MAX_PREFIX {
            let reason = format!("a prefix has at most {MAX_PREFIX} bytes");
            return Err(self.given.invalid(place, reason));
        }
        let claimed = if self.ignores_case {
            key.prefix.to_ascii_lowercase()
        } else {
            key.prefix.clone()
        };
        if let Some(first) = self.prefixes.get(&claimed) {
            let sentence = format!("spec.redis[{first}] has this prefix already");
            self.report(&codes::DUPLICATE_PREFIX, place, sentence);
            return Ok(());
        }
        self.prefixes.insert(claimed, index);
        let mut route = self.route(entry, field);
        route.prefix.clone_from(&key.prefix);
        route.remove_prefix = key.remove_prefix;
        self.routes.push(route);
        Ok(())
    }

    /// parity: the last one counts.
    fn add_catch_all(&mut self, entry: &spec::Route, index: usize, field: &str) {
        if let Some((earlier, _)) = &self.catch_all {
            let sentence = format!("{field} takes every key too, and comes later");
            self.report(
                &codes::SEVERAL_CATCH_ALLS,
                format!("spec.redis[{earlier}]"),
                sentence,
            );
        }
        self.catch_all = Some((index, self.route(entry, field)));
    }

    fn route(&self, entry: &spec::Route, field: &str) -> Route {
        let (ctx, owner) = (self.ctx, self.given.object);
        let place = format!("{field}.route");
        Route {
            cluster: destination::cluster(ctx, owner, entry.route.as_ref(), &place),
            request_mirror_policy: mirrors(ctx, owner, entry, field),
            read_command_policy: reads(ctx, owner, entry, field),
            ..Route::default()
        }
    }

    fn report(&self, code: &'static Code, field: String, sentence: String) {
        self.ctx
            .report(Diagnostic::new(code, &self.given.object.key, sentence).at(field));
    }

    fn finish(self) -> PrefixRoutes {
        PrefixRoutes {
            routes: self.routes,
            case_insensitive: self.ignores_case,
            catch_all_route: self.catch_all.map(|(_, route)| route),
        }
    }
}

fn mirrors(
    ctx: &ServiceContext<'_>,
    owner: &Object,
    entry: &spec::Route,
    field: &str,
) -> Vec<RequestMirrorPolicy> {
    let mirrors = entry.mirror.iter().enumerate();
    mirrors
        .filter_map(|(k, one)| mirror(ctx, owner, one, &format!("{field}.mirror[{k}]")))
        .collect()
}

fn mirror(
    ctx: &ServiceContext<'_>,
    owner: &Object,
    mirror: &spec::Mirror,
    field: &str,
) -> Option<RequestMirrorPolicy> {
    let share = per_million(ctx, owner, mirror.percentage, field)?;
    let cluster = destination::named(ctx, owner, mirror.route.as_ref(), &format!("{field}.route"))?;
    (share > 0).then(|| RequestMirrorPolicy {
        cluster,
        runtime_fraction: (share < ALWAYS).then(|| fraction(share)),
        exclude_read_commands: mirror.exclude_read_commands,
    })
}

fn reads(
    ctx: &ServiceContext<'_>,
    owner: &Object,
    entry: &spec::Route,
    field: &str,
) -> Option<ReadCommandPolicy> {
    let policy = entry.read_command_policy.as_ref()?;
    let field = format!("{field}.readCommandPolicy.route");
    let cluster = destination::named(ctx, owner, policy.route.as_ref(), &field)?;
    Some(ReadCommandPolicy { cluster })
}
