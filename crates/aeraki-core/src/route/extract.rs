//! VirtualService → route table, reduced to what the protocol can express.
//!
//! The rules, in one place: what can be decided now (`port`, `gateways`) is decided; a condition that the protocol
//! cannot express takes its whole entry out; a setting that it cannot express is reported and the route stays; a rule
//! without a destination keeps its matches and its calls fail. So nothing ever matches more calls than were asked for.

use std::collections::BTreeMap;

use aeraki_api::networking::{
    Destination, HttpMatchRequest, HttpRoute, L4MatchAttributes, Percent, StringMatch, TcpRoute,
    VirtualService, string_match::MatchType,
};

use super::destination::{self, Weighted};
use super::{Action, Conditions, Header, Mirror, Route, RouteTable, Text, absence};
use crate::diagnostic::{Diagnostic, Severity, catalogue};
use crate::field::Place;
use crate::generator::ServiceContext;
use crate::object::Object;
use crate::regex_policy;
use crate::registry::{Forms, Routing};

/// The annotation of a VirtualService that lists the headers whose values match in any case; `*` for all.
pub const IGNORE_CASE: &str = "aeraki.net/ignore-case";
/// Istio's name for all sidecars, among gateways.
const MESH: &str = "mesh";

const SPEC: Place<'static> = Place::root("spec");
const TCP: Place<'static> = SPEC.field("tcp");

/// What becomes of one entry of `match[]`.
enum Entry {
    /// It concerns another port or only gateways.
    Elsewhere,
    /// It cannot be expressed, or can match nothing; that is reported.
    Dropped,
    /// It stays, as one route for each of these.
    Kept(Vec<Conditions>),
}

/// The routes that `spec`, the body of `rule`, gives the context's port.
pub(crate) fn from_virtual_service(
    ctx: &ServiceContext<'_>,
    rule: &Object,
    spec: &VirtualService,
) -> RouteTable {
    let reader = Reader { ctx, rule };
    match ctx.registration().expressed().routing {
        Routing::Http => reader
            .http_routes(spec)
            .unwrap_or_else(|| reader.tcp_routes(spec)),
        Routing::Default => {
            reader.refuse_http(spec);
            reader.tcp_routes(spec)
        }
        // Core never looks for a rule there.
        Routing::Istio => RouteTable::to(ctx.outbound_cluster()),
    }
}

struct Reader<'a> {
    ctx: &'a ServiceContext<'a>,
    rule: &'a Object,
}

impl Reader<'_> {
    fn refuse_http(&self, spec: &VirtualService) {
        if !spec.http.is_empty() {
            self.inexpressible(SPEC.field("http"), "http routes have no effect");
        }
    }

    /// `None` if no http rule concerns this port.
    fn http_routes(&self, spec: &VirtualService) -> Option<RouteTable> {
        let mut table = RouteTable::default();
        let mut concerned = false;
        let rules = SPEC.field("http");
        for (i, http) in spec.http.iter().enumerate() {
            let place = rules.index(i);
            let entries = self.http_entries(http, place);
            concerned |= entries
                .iter()
                .any(|entry| !matches!(entry, Entry::Elsewhere));
            let kept: Vec<Conditions> = entries
                .into_iter()
                .flat_map(|entry| match entry {
                    Entry::Kept(conditions) => conditions,
                    Entry::Elsewhere | Entry::Dropped => Vec::new(),
                })
                .collect();
            self.add_routes(&mut table, http, place, kept);
        }
        if concerned && table.routes.is_empty() {
            let sentence = "no route is left of the http rules, so every call fails";
            let diagnostic = Diagnostic::new(&catalogue::NO_DESTINATION, &self.rule.key, sentence);
            self.ctx.report(diagnostic.at(rules));
        }
        concerned.then_some(table)
    }

    fn http_entries(&self, http: &HttpRoute, place: Place<'_>) -> Vec<Entry> {
        if http.r#match.is_empty() {
            return vec![Entry::Kept(vec![Conditions::default()])];
        }
        let matches = place.field("match");
        let entries = http.r#match.iter().enumerate();
        entries
            .map(|(j, request)| self.http_entry(request, matches.index(j)))
            .collect()
    }

    fn add_routes(
        &self,
        table: &mut RouteTable,
        http: &HttpRoute,
        place: Place<'_>,
        kept: Vec<Conditions>,
    ) {
        if kept.is_empty() {
            return;
        }
        let action = self.http_action(http, place);
        let mirrors = self.mirrors(http, place);
        self.report_settings(http, place);
        table
            .routes
            .extend(kept.into_iter().map(|conditions| Route {
                conditions,
                action: action.clone(),
                mirrors: mirrors.clone(),
            }));
    }

    fn http_entry(&self, request: &HttpMatchRequest, place: Place<'_>) -> Entry {
        if !self.concerns(request.port, &request.gateways) {
            return Entry::Elsewhere;
        }
        let refused = [
            ("uri", request.uri.is_some()),
            ("scheme", request.scheme.is_some()),
            ("authority", request.authority.is_some()),
            ("queryParams", !request.query_params.is_empty()),
            ("sourceLabels", !request.source_labels.is_empty()),
            ("sourceNamespace", !request.source_namespace.is_empty()),
        ];
        let mut expressible = true;
        for (name, _) in refused.iter().filter(|(_, given)| *given) {
            expressible = false;
            self.drop_entry(place.field(name));
        }
        let method = self.method(request, place);
        let headers = self.headers(request, place);
        match (expressible, method, headers) {
            (true, Some(method), Some(headers)) => self.kept(method.as_ref(), headers, place),
            _ => Entry::Dropped,
        }
    }

    /// The entry with these conditions: several routes where one cannot say that a header may be absent.
    fn kept(&self, method: Option<&Text>, headers: Vec<Header>, place: Place<'_>) -> Entry {
        let Some(alternatives) = absence::alternatives(headers) else {
            let outcome = format!(
                "more than {} of the conditions hold for an empty text, so the entry is left out",
                absence::MAX_DOUBLED
            );
            self.inexpressible(place.field("withoutHeaders"), &outcome);
            return Entry::Dropped;
        };
        let conditions = alternatives.into_iter().map(|headers| Conditions {
            method: method.cloned(),
            headers,
        });
        Entry::Kept(conditions.collect())
    }

    /// Whether an entry with this port and these gateways concerns a sidecar's listener for the context's port.
    fn concerns(&self, port: u32, gateways: &[String]) -> bool {
        let port_fits = port == 0 || port == self.ctx.port().number();
        port_fits && (gateways.is_empty() || gateways.iter().any(|gateway| gateway == MESH))
    }

    /// `Some(None)`: any method. `None`: the entry is dropped.
    fn method(&self, request: &HttpMatchRequest, place: Place<'_>) -> Option<Option<Text>> {
        let Some(method) = &request.method else {
            return Some(None);
        };
        let place = place.field("method");
        let forms = self.ctx.registration().expressed().method;
        match &method.match_type {
            None => Some(None),
            Some(MatchType::Prefix(prefix)) if prefix.is_empty() => Some(None),
            Some(MatchType::Exact(exact)) if exact.is_empty() => {
                let sentence = "no call has an empty method name, so the entry is left out";
                let diagnostic =
                    Diagnostic::new(&catalogue::NEVER_MATCHES, &self.rule.key, sentence);
                self.ctx.report(diagnostic.at(place.field("exact")));
                None
            }
            Some(form) => self.text(form, forms, place).map(Some),
        }
    }

    /// All header conditions, those of `withoutHeaders` last. `None`: the entry is dropped.
    fn headers(&self, request: &HttpMatchRequest, place: Place<'_>) -> Option<Vec<Header>> {
        let wanted = self.header_set(&request.headers, false, place.field("headers"));
        let unwanted = self.header_set(
            &request.without_headers,
            true,
            place.field("withoutHeaders"),
        );
        let mut headers = wanted?;
        headers.extend(unwanted?);
        Some(headers)
    }

    fn header_set(
        &self,
        headers: &BTreeMap<String, StringMatch>,
        inverted: bool,
        place: Place<'_>,
    ) -> Option<Vec<Header>> {
        let expresses = self.ctx.registration().expressed();
        if inverted && !headers.is_empty() && !expresses.without_headers {
            self.drop_entry(place);
            return None;
        }
        // All are looked at before the entry is dropped, so that each is reported.
        let read: Vec<Option<Header>> = headers
            .iter()
            .map(|(name, form)| self.header(name, form, inverted, place))
            .collect();
        read.into_iter().collect()
    }

    fn header(
        &self,
        name: &str,
        form: &StringMatch,
        inverted: bool,
        place: Place<'_>,
    ) -> Option<Header> {
        let place = place.key(name);
        if crate::host::has_forbidden_characters(name) {
            let sentence = "the header's name has characters that no header may have";
            let diagnostic =
                Diagnostic::new(&catalogue::FORBIDDEN_CHARACTER, &self.rule.key, sentence);
            self.ctx.report(diagnostic.at(place));
            return None;
        }
        let expresses = self.ctx.registration().expressed();
        let ignore_case = self.ignores_case(name);
        let value = match &form.match_type {
            None => None,
            Some(MatchType::Prefix(prefix)) if prefix.is_empty() => None,
            // Envoy refuses a regular expression beside `ignore_case`.
            Some(MatchType::Regex(regex)) if ignore_case => {
                let folded = MatchType::Regex(format!("(?i){regex}"));
                Some(self.text(&folded, expresses.headers, place)?)
            }
            Some(form) => Some(self.text(form, expresses.headers, place)?),
        };
        if value.is_none() && !expresses.header_presence {
            self.drop_entry(place);
            return None;
        }
        Some(Header {
            ignore_case: ignore_case && !matches!(value, None | Some(Text::Regex(_))),
            name: name.to_owned(),
            value,
            inverted,
        })
    }

    fn ignores_case(&self, header: &str) -> bool {
        self.rule
            .meta
            .annotations
            .get(IGNORE_CASE)
            .is_some_and(|list| {
                list.split(',')
                    .map(str::trim)
                    .any(|entry| entry == "*" || entry.eq_ignore_ascii_case(header))
            })
    }

    /// `None`: the form cannot be expressed, or Envoy would refuse the expression; that is reported.
    fn text(&self, form: &MatchType, forms: Forms, place: Place<'_>) -> Option<Text> {
        let (name, expressible, text) = match form {
            MatchType::Exact(exact) => ("exact", forms.exact, Text::Exact(exact.clone())),
            MatchType::Prefix(prefix) => ("prefix", forms.prefix, Text::Prefix(prefix.clone())),
            MatchType::Regex(regex) => ("regex", forms.regex, Text::Regex(regex.clone())),
        };
        let place = place.field(name);
        if !expressible {
            self.drop_entry(place);
            return None;
        }
        if let Text::Regex(regex) = &text
            && let Err(rejection) = regex_policy::check(regex)
        {
            let sentence = format!("the entry is left out: {rejection}");
            let diagnostic = Diagnostic::new(&catalogue::INVALID_REGEX, &self.rule.key, sentence);
            self.ctx.report(diagnostic.at(place));
            return None;
        }
        Some(text)
    }

    fn http_action(&self, http: &HttpRoute, place: Place<'_>) -> Action {
        let instead = [
            ("redirect", http.redirect.is_some()),
            ("directResponse", http.direct_response.is_some()),
            ("delegate", http.delegate.is_some()),
        ];
        if let Some((name, _)) = instead.iter().find(|(_, given)| *given) {
            let protocol = self.ctx.registration().protocol();
            let why = format!("{protocol} cannot express `{name}`");
            return destination::fail(self.ctx, self.rule, place.field(name), &why);
        }
        if http.route.is_empty() {
            return destination::fail(self.ctx, self.rule, place, "the rule has no destination");
        }
        let list = place.field("route");
        let routes = http
            .route
            .iter()
            .map(|one| (one.destination.as_ref(), one.weight));
        let destinations = Weighted::all(routes, &list);
        destination::action(self.ctx, self.rule, &destinations, list)
    }

    fn mirrors(&self, http: &HttpRoute, place: Place<'_>) -> Vec<Mirror> {
        let old = http.mirror.as_deref().and_then(|to| {
            // `mirrorPercent` is Istio's older, whole-numbered form of `mirrorPercentage`.
            let whole = http.mirror_percent.map(|percent| Percent {
                value: f64::from(percent),
            });
            let percent = http.mirror_percentage.or(whole);
            self.mirror(Some(to), percent, place.field("mirror"))
        });
        let list = place.field("mirrors");
        let new = http.mirrors.iter().enumerate().filter_map(|(k, policy)| {
            let to = policy.destination.as_ref();
            let one = list.index(k);
            self.mirror(to, policy.percentage, one.field("destination"))
        });
        old.into_iter().chain(new).collect()
    }

    /// A mirror whose destination stands at `place`. `None`: nothing is copied.
    fn mirror(
        &self,
        to: Option<&Destination>,
        percent: Option<Percent>,
        place: Place<'_>,
    ) -> Option<Mirror> {
        if !self.ctx.registration().expressed().mirror {
            self.inexpressible(place, "calls are not mirrored");
            return None;
        }
        if to.is_none() {
            let sentence = "the mirror has no destination, so it is left out";
            let diagnostic = Diagnostic::new(&catalogue::REFUSED_OBJECT, &self.rule.key, sentence);
            self.ctx.report(diagnostic.at(place));
            return None;
        }
        let Some(per_million) = destination::per_million(percent.as_ref()) else {
            let sentence = "the mirror's percentage is not between 0 and 100, so it is left out";
            let diagnostic = Diagnostic::new(&catalogue::WEIGHTS, &self.rule.key, sentence);
            self.ctx.report(diagnostic.at(place));
            return None;
        };
        (per_million > 0).then(|| Mirror {
            cluster: destination::cluster(self.ctx, self.rule, to, place),
            per_million,
        })
    }

    /// Settings of an http rule that no protocol here can express.
    fn report_settings(&self, http: &HttpRoute, place: Place<'_>) {
        let settings = [
            ("rewrite", http.rewrite.is_some()),
            ("timeout", http.timeout.is_some()),
            ("retries", http.retries.is_some()),
            ("fault", http.fault.is_some()),
            ("corsPolicy", http.cors_policy.is_some()),
            ("headers", http.headers.is_some()),
        ];
        for (name, _) in settings.iter().filter(|(_, given)| *given) {
            self.inexpressible(place.field(name), "it has no effect");
        }
        let list = place.field("route");
        for (k, one) in http.route.iter().enumerate() {
            if one.headers.is_some() {
                let one = list.index(k);
                self.inexpressible(one.field("headers"), "it has no effect");
            }
        }
    }

    /// The default route: from the first `tcp` rule that concerns the port, else to the service itself.
    fn tcp_routes(&self, spec: &VirtualService) -> RouteTable {
        if spec.http.is_empty() && spec.tcp.is_empty() {
            let sentence = "no http or tcp routes: calls go to the service as without the rule";
            let diagnostic = Diagnostic::new(&catalogue::NO_DESTINATION, &self.rule.key, sentence);
            self.ctx
                .report(diagnostic.at(SPEC).severity(Severity::Info));
        }
        let own = || RouteTable::to(self.ctx.outbound_cluster());
        let Some((i, tcp)) = spec
            .tcp
            .iter()
            .enumerate()
            .find(|(i, tcp)| self.tcp_fits(tcp, *i))
        else {
            return own();
        };
        let rule = TCP.index(i);
        let place = rule.field("route");
        let routes = tcp
            .route
            .iter()
            .map(|one| (one.destination.as_ref(), one.weight));
        let destinations = Weighted::all(routes, &place);
        match destination::action(self.ctx, self.rule, &destinations, place) {
            Action::Weighted(_) if !self.ctx.registration().expressed().weights => {
                self.inexpressible(
                    place,
                    "several destinations: calls go to the service itself",
                );
                own()
            }
            action => RouteTable::always(action),
        }
    }

    fn tcp_fits(&self, tcp: &TcpRoute, index: usize) -> bool {
        let entries = tcp.r#match.iter().enumerate();
        let rule = TCP.index(index);
        let matches = rule.field("match");
        tcp.r#match.is_empty()
            || entries.fold(false, |fits, (j, attributes)| {
                fits | self.l4_fits(attributes, matches.index(j))
            })
    }

    fn l4_fits(&self, attributes: &L4MatchAttributes, place: Place<'_>) -> bool {
        if !self.concerns(attributes.port, &attributes.gateways) {
            return false;
        }
        let refused = [
            (
                "destinationSubnets",
                !attributes.destination_subnets.is_empty(),
            ),
            ("sourceLabels", !attributes.source_labels.is_empty()),
            ("sourceNamespace", !attributes.source_namespace.is_empty()),
            ("sourceSubnet", !attributes.source_subnet.is_empty()),
        ];
        let mut fits = true;
        for (name, _) in refused.iter().filter(|(_, given)| *given) {
            fits = false;
            self.drop_entry(place.field(name));
        }
        fits
    }

    fn drop_entry(&self, place: Place<'_>) {
        self.inexpressible(
            place,
            "the entry is left out, so that it does not match more calls",
        );
    }

    fn inexpressible(&self, place: Place<'_>, outcome: &str) {
        let protocol = self.ctx.registration().protocol();
        let sentence = format!("{protocol} cannot express this; {outcome}");
        let diagnostic = Diagnostic::new(&catalogue::INEXPRESSIBLE, &self.rule.key, sentence);
        self.ctx.report(diagnostic.at(place));
    }
}
