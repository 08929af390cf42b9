//! Counts and times requests. On the way of every request, so it neither allocates nor takes a lock that
//! another worker holds for long: each worker knows the counters of the routes that it has served.

use std::{
    array,
    cell::{OnceCell, RefCell},
    collections::HashMap,
    rc::Rc,
    time::Instant,
};

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode},
    middleware::Next,
    web::Data,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

use super::fallback;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

/// From half a millisecond to ten seconds.
const BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The counters of all workers.
#[derive(Clone)]
pub(super) struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram>,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
        }
    }
}

impl HttpMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_requests",
            "Requests answered, by route, method and class of status",
            self.requests.clone(),
        );
        registry.register(
            "http_request_seconds",
            "Time from the head of a request to the head of its answer, by route",
            self.seconds.clone(),
        );
    }
}

const METHODS: [&str; 3] = ["GET", "POST", "other"];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The counters of one route, each looked up when it is first needed.
struct RouteMetrics {
    route: String,
    counts: [[OnceCell<Counter>; CLASSES.len()]; METHODS.len()],
    seconds: Histogram,
}

/// What one worker knows of them.
pub(super) struct WorkerMetrics {
    all: HttpMetrics,
    /// Routes whose pattern is their path, by path: found without building the pattern.
    plain: RefCell<HashMap<String, Rc<RouteMetrics>>>,
    /// The others, by pattern.
    patterns: RefCell<HashMap<String, Rc<RouteMetrics>>>,
}

impl WorkerMetrics {
    pub(super) fn new(all: HttpMetrics) -> Self {
        Self {
            all,
            plain: RefCell::default(),
            patterns: RefCell::default(),
        }
    }

    fn record(&self, response: &ServiceResponse<impl MessageBody>, method: usize, started: Instant) {
        let route = self.route(response);
        let class = class_of(response.status());
        if let Some((counter, (method, status))) = route
            .counts
            .get(method)
            .and_then(|classes| classes.get(class))
            .zip(METHODS.get(method).zip(CLASSES.get(class)))
        {
            counter
                .get_or_init(|| {
                    self.all.requests.get_or_create_owned(&RequestLabels {
                        route: route.route.clone(),
                        method,
                        status,
                    })
                })
                .inc();
        }
        route.seconds.observe(started.elapsed().as_secs_f64());
    }

    fn route(&self, response: &ServiceResponse<impl MessageBody>) -> Rc<RouteMetrics> {
        let request = response.request();
        if let Some(known) = self.plain.borrow().get(request.path()) {
            return Rc::clone(known);
        }
        // Paths that are nobody's share one name: strangers choose them.
        let pattern = request.match_pattern().unwrap_or_else(|| "none".to_owned());
        let map = if pattern == request.path() {
            &self.plain
        } else {
            &self.patterns
        };
        let mut map = map.borrow_mut();
        let route = map.entry(pattern).or_insert_with_key(|pattern| {
            let route = pattern.clone();
            Rc::new(RouteMetrics {
                seconds: self
                    .all
                    .seconds
                    .get_or_create_owned(&RouteLabels { route: route.clone() }),
                counts: array::from_fn(|_| array::from_fn(|_| OnceCell::new())),
                route,
            })
        });
        Rc::clone(route)
    }
}

fn class_of(status: StatusCode) -> usize {
    usize::from(status.as_u16() / 100).saturating_sub(1)
}

/// The middleware. It also gives words to the 405 of resources that have none, and lets every page be asked for with HEAD (RFC 9110 §9.3.2): the connection leaves the
/// body of such an answer out by itself.
#[allow(clippy::disallowed_methods, reason = "measures how long the answer took")]
pub(super) async fn measure(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let method = match *request.method() {
        Method::HEAD => {
            request.head_mut().method = Method::GET;
            0
        }
        Method::GET => 0,
        Method::POST => 1,
        _ => 2,
    };
    let metrics = request.app_data::<Data<WorkerMetrics>>().cloned();
    let mut response = next.call(request).await?.map_into_boxed_body();
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response = fallback::put_in_words(response);
    }
    if let Some(metrics) = metrics {
        metrics.record(&response, method, started);
    }
    Ok(response)
}
