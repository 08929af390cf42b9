use std::time::Duration;

use uuid::Uuid;

use super::*;

#[test]
fn memory_ends_somewhere_and_no_request_is_lost() {
    let memory = Memory::default();
    let requests = 5 * u64::try_from(ROOM).unwrap();
    let key = ApiKeyId::from_uuid(Uuid::from_u128(1));
    let start = OffsetDateTime::UNIX_EPOCH;
    for minute in 0..requests {
        memory.record(&Used {
            key,
            app: AppId::from_uuid(Uuid::from_u128(2)),
            account: AccountId::from_uuid(Uuid::from_u128(3)),
            at: start + Duration::from_mins(minute),
            scope: Some("read:orders"),
            outcome: Outcome::Valid,
            cost: 1,
            route: "GET /v1/orders",
            status: 200,
            address: None,
            user_agent: "",
            latency: Duration::ZERO,
            request_id: "",
        });
    }
    let batch = memory.take(start);
    let sum: u64 = batch.counts.iter().map(|counted| counted.count.requests).sum();
    assert_eq!(sum, requests);
    assert!(batch.counts.len() <= 2 * ROOM, "{}", batch.counts.len());
    assert_eq!(batch.samples.len(), SAMPLES);
    assert!(memory.take(start).counts.is_empty(), "it is taken once");
}
