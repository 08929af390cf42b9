-- Mail that must come, whatever happens between the act that it tells of and the mail server.

CREATE TABLE notifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    subject text NOT NULL,
    text text NOT NULL,
    next_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE notifications IS 'Written in the transaction of the act that they tell of, removed when the mail server has them.';
COMMENT ON COLUMN notifications.next_at IS 'When it is sent; of one that somebody is sending, when nobody can be at it any more.';
CREATE INDEX notifications_due ON notifications (next_at);
CREATE INDEX notifications_user ON notifications (user_id);
CREATE INDEX notifications_age ON notifications (created_at);
