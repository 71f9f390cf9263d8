//! The filter around the route table: settings, faults, and who may sign in.

use aeraki_api::Duration;
use aeraki_api::envoy::redis::RedisProxy;
use aeraki_api::envoy::redis::redis_proxy::ConnPoolSettings;
use aeraki_api::envoy::redis::redis_proxy::conn_pool_settings::ReadPolicy;
use aeraki_core::diagnostic::Diagnostic;
use aeraki_core::generator::{GenerateError, ServiceContext};

use crate::credentials::Form;
use crate::inputs::Given;
use crate::spec::{self, RedisService};
use crate::{codes, faults, routes};

/// parity: Go Aeraki's timeout for one command.
const OP_TIMEOUT: Duration = Duration::from_secs(60);

/// The filter, and how the passwords of clients stand in it.
pub(crate) struct Filter {
    pub(crate) config: RedisProxy,
    pub(crate) credentials: Option<Form>,
}

/// The filter of the client's side; `None` if the port should stay plain TCP.
pub(crate) fn outbound(
    ctx: &ServiceContext<'_>,
    given: Option<&Given<'_, RedisService>>,
) -> Result<Option<Filter>, GenerateError> {
    let Some(prefix_routes) = routes::prefix_routes(ctx, given)? else {
        return Ok(None);
    };
    let mut config = RedisProxy {
        stat_prefix: ctx.outbound_cluster(),
        prefix_routes: Some(prefix_routes),
        ..RedisProxy::default()
    };
    let Some(given) = given else {
        config.settings = Some(ConnPoolSettings {
            op_timeout: Some(OP_TIMEOUT),
            ..ConnPoolSettings::default()
        });
        return Ok(Some(Filter {
            config,
            credentials: None,
        }));
    };
    config.settings = Some(settings(ctx, given)?);
    config.faults = faults::faults(ctx, given);
    let mut credentials = None;
    if let Some(auth) = &given.spec.settings.auth {
        let found = crate::credentials::resolve(ctx, given.object, auth, "spec.settings.auth")?;
        config.downstream_auth_username = found.username;
        config.downstream_auth_passwords = found.passwords;
        credentials = Some(found.form);
    }
    Ok(Some(Filter {
        config,
        credentials,
    }))
}

fn settings(
    ctx: &ServiceContext<'_>,
    given: &Given<'_, RedisService>,
) -> Result<ConnPoolSettings, GenerateError> {
    let settings = &given.spec.settings;
    if settings
        .op_timeout
        .is_some_and(|timeout| timeout.as_nanos() <= 0)
    {
        let reason = "every command would time out at once: use a positive duration";
        return Err(given.invalid("spec.settings.opTimeout", reason));
    }
    if settings
        .buffer_flush_timeout
        .is_some_and(|timeout| timeout.as_nanos() < 0)
    {
        return Err(given.invalid("spec.settings.bufferFlushTimeout", "it cannot be negative"));
    }
    report_idle(ctx, given);
    Ok(ConnPoolSettings {
        op_timeout: Some(settings.op_timeout.unwrap_or(OP_TIMEOUT)),
        enable_hashtagging: settings.enable_hashtagging,
        enable_redirection: settings.enable_redirection,
        max_buffer_size_before_flush: settings.max_buffer_size_before_flush,
        buffer_flush_timeout: settings.buffer_flush_timeout,
        max_upstream_unknown_connections: settings.max_upstream_unknown_connections,
        read_policy: read_policy(settings.read_policy) as i32,
        enable_command_stats: settings.enable_command_stats,
        ..ConnPoolSettings::default()
    })
}

/// Settings that mean nothing without another one. They are passed on all the same.
fn report_idle(ctx: &ServiceContext<'_>, given: &Given<'_, RedisService>) {
    let settings = &given.spec.settings;
    let report = |field: &str, sentence: &str| {
        let diagnostic = Diagnostic::new(&codes::NO_EFFECT, &given.object.key, sentence);
        ctx.report(diagnostic.at(format!("spec.settings.{field}")));
    };
    if settings.buffer_flush_timeout.is_some() && settings.max_buffer_size_before_flush == 0 {
        report(
            "bufferFlushTimeout",
            "nothing is buffered without `maxBufferSizeBeforeFlush`",
        );
    }
    if settings.max_upstream_unknown_connections.is_some() && !settings.enable_redirection {
        let sentence = "no unknown server is called without `enableRedirection`";
        report("maxUpstreamUnknownConnections", sentence);
    }
}

fn read_policy(policy: spec::ReadPolicy) -> ReadPolicy {
    match policy {
        spec::ReadPolicy::Master => ReadPolicy::Master,
        spec::ReadPolicy::PreferMaster => ReadPolicy::PreferMaster,
        spec::ReadPolicy::Replica => ReadPolicy::Replica,
        spec::ReadPolicy::PreferReplica => ReadPolicy::PreferReplica,
        spec::ReadPolicy::Any => ReadPolicy::Any,
    }
}
