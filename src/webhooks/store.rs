mod deliveries;
mod endpoints;
mod lists;
mod outbox;
mod secrets;

pub(in crate::webhooks) use deliveries::{
    Claimed, Finish, Room, Then, backlog, claim, finish, give_up_waiting, listen, next_due, notified,
    redeliver,
};
pub(in crate::webhooks) use endpoints::{
    Only, Switched, count, delete, disable, edit, enable, endpoint, endpoints, held, insert, is_silent,
};
pub(in crate::webhooks) use lists::{attempts, delete_old, deliveries, delivery, waiting_of_kind};
pub(crate) use outbox::TellingParts;
pub(in crate::webhooks) use outbox::{delete_of_app, enqueue, insert_test};
pub(in crate::webhooks) use secrets::{
    NewRow, by_digests, delete_ended_secrets, end_secrets, end_these_secrets, insert_secret, live_sealed,
    live_secrets, lock_endpoints, reseal_secrets,
};
