//! `/metrics`, in the text format that Prometheus and its kin read.

use std::fmt;

use actix_web::{
    HttpResponse,
    web::{self, Data, ServiceConfig},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::{Services, measure::HttpMetrics};
use crate::{keys::Keys, leaks::Count, webhooks::Webhooks};

pub(super) struct Metrics {
    registry: Registry,
}

impl Metrics {
    pub(super) fn new(services: Services, http: &HttpMetrics) -> Self {
        let mut registry = Registry::with_prefix("claviger");
        http.register(&mut registry);
        registry.register_collector(Box::new(State(services)));
        Self { registry }
    }
}

/// What the parts say of themselves when they are asked.
struct State(Services);

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl Collector for State {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let Services {
            db,
            revocations,
            authority,
            keys,
            leaks,
            webhooks,
            runner,
            ..
        } = &self.0;
        encode_keys(&mut encoder, keys)?;
        encode_webhooks(&mut encoder, webhooks)?;
        encode_leaks(&mut encoder, &leaks.counts())?;
        let mut gauge = |name: &str, help: &str, value: f64| encode_gauge(&mut encoder, name, help, value);
        let pool = db.usage();
        gauge("db_connections_open", "Connections of the pool", count(pool.open))?;
        gauge(
            "db_connections_idle",
            "Open connections that nobody uses",
            count(pool.idle),
        )?;
        gauge(
            "db_connections_most",
            "Connections that the pool may open",
            count(pool.most),
        )?;
        gauge(
            "db_connections_awaited",
            "Requests that wait for a connection",
            count(pool.waiting),
        )?;
        gauge(
            "access_tokens_live",
            "Access tokens of this node that are in memory",
            count(authority.live_access_tokens()),
        )?;
        gauge(
            "revocation_lease_seconds",
            "How much longer this node may answer from memory if it hears nothing more",
            revocations.lease_left().as_secs_f64(),
        )?;
        gauge(
            "revocation_applied_sequence",
            "The last entry of the revocation log that is in force here",
            revocations.applied().to_string().parse().unwrap_or_default(),
        )?;
        gauge(
            "revocation_entries",
            "Entries of the revocation log in memory",
            count(revocations.held()),
        )?;
        let mut jobs = |name: &str, help: &str, value: fn(&crate::jobs::Tally) -> u64| {
            let kind = ConstCounter::new(0_u64).metric_type();
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            for tally in runner.tallies() {
                let labels = [("job", tally.job)];
                ConstCounter::new(value(&tally)).encode(metric.encode_family(&labels)?)?;
            }
            Ok(())
        };
        jobs("job_runs", "Runs of a background job on this node", |tally| {
            tally.runs
        })?;
        jobs(
            "job_failures",
            "Runs of a background job that came to nothing",
            |tally| tally.failures,
        )?;
        jobs("job_rows", "Rows that a background job has dealt with", |tally| {
            tally.rows
        })
    }
}

/// What is to be said of webhooks.
fn encode_webhooks(encoder: &mut DescriptorEncoder<'_>, webhooks: &Webhooks) -> fmt::Result {
    encode_gauge(
        encoder,
        "webhooks_waiting",
        "Webhooks that wait to be sent, of all nodes; counted up to 10,000",
        number(webhooks.tally.waiting()),
    )?;
    encode_gauge(
        encoder,
        "webhooks_late_seconds",
        "For how long the first of them has been due",
        number(webhooks.tally.late_by()),
    )?;
    let given_up = ConstCounter::new(webhooks.tally.given_up());
    let help = "Webhooks that this node has given up";
    given_up.encode(encoder.encode_descriptor("webhooks_given_up", help, None, given_up.metric_type())?)?;
    let help = "Attempts of this node to deliver a webhook, by how they went";
    let kind = ConstCounter::new(0_u64).metric_type();
    let mut attempts = encoder.encode_descriptor("webhook_attempts", help, None, kind)?;
    for (outcome, count) in webhooks.tally.attempts() {
        ConstCounter::new(count).encode(attempts.encode_family(&[("outcome", outcome.name())])?)?;
    }
    Ok(())
}

fn encode_leaks(encoder: &mut DescriptorEncoder<'_>, counts: &[Count]) -> fmt::Result {
    for (name, help) in [
        (
            "leak_reports",
            "Reports of leaked credentials, by whom and what became of them",
        ),
        (
            "leak_finds",
            "Strings that were reported, by what they turned out to be",
        ),
    ] {
        let kind = ConstCounter::new(0_u64).metric_type();
        let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
        for own in counts.iter().filter(|own| own.metric == name) {
            ConstCounter::new(own.number).encode(metric.encode_family(&own.labels)?)?;
        }
    }
    Ok(())
}

/// What is to be said of API keys.
fn encode_keys(encoder: &mut DescriptorEncoder<'_>, keys: &Keys) -> fmt::Result {
    let usage = keys.usage.progress();
    encode_gauge(
        encoder,
        "keys_cached",
        "API keys of which this node has a copy in memory",
        count(keys.cached()),
    )?;
    encode_gauge(
        encoder,
        "key_limit_blocks",
        "Parts of the limits of API keys that this node holds",
        count(keys.limit_blocks()),
    )?;
    encode_gauge(
        encoder,
        "usage_counts_waiting",
        "Counts of the use of API keys that are in memory alone",
        count(usage.waiting),
    )?;
    let mut counter = |name: &str, help: &str, value: u64| {
        let counter = ConstCounter::new(value);
        let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
        counter.encode(metric)
    };
    counter(
        "usage_batches_written",
        "Batches of counts of the use of API keys that this node has written",
        usage.written,
    )?;
    counter(
        "usage_batch_failures",
        "Times that a batch of counts could not be written and was kept",
        usage.failed,
    )?;
    let kind = ConstCounter::new(0_u64).metric_type();
    let help = "API keys that this node has judged, by the code of the answer";
    let mut metric = encoder.encode_descriptor("key_verifications", help, None, kind)?;
    for (code, times) in keys.judged() {
        ConstCounter::new(times).encode(metric.encode_family(&[("code", code)])?)?;
    }
    Ok(())
}

fn encode_gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
    gauge.encode(metric)
}

fn count(size: usize) -> f64 {
    u64::try_from(size).map_or(f64::INFINITY, number)
}

fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

pub(super) fn routes(routes: &mut ServiceConfig) {
    routes.service(web::resource("/metrics").route(web::get().to(metrics)));
}

async fn metrics(metrics: Data<Metrics>) -> HttpResponse {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &metrics.registry) {
        Ok(()) => HttpResponse::Ok()
            .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
            .body(text),
        Err(error) => {
            tracing::error!(%error, "metrics could not be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}
