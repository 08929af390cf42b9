//! Mail: sent after the act is committed, off the path of the request, through a bounded queue.

use std::{
    fmt,
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{Notification, store};
use crate::{
    config::Config,
    db::Db,
    types::{Clock, Email, Entropy, Fault},
};

/// A mail: plain text to one person. Its text may hold a one-time link, so it is never logged.
pub struct Letter {
    pub to: Email,
    pub subject: String,
    pub text: String,
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter")
            .field("to", &self.to)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// What the task that sends does, in order.
enum Errand {
    Send(Letter),
    /// Work whose end is a letter, or none.
    Write(BoxFuture<'static, Result<Option<Letter>, Fault>>),
    /// Send the notifications that are due, and tell how many went out.
    Notify(Db, oneshot::Sender<Result<u64, Fault>>),
    /// Tell when everything before is done.
    Tell(oneshot::Sender<()>),
}

/// Hands letters to the one task that sends them.
#[derive(Clone)]
pub struct Mailer {
    queue: Arc<Mutex<Option<mpsc::Sender<Errand>>>>,
    sending: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// Between tries at a mail server that is busy.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// How long one notification may take: its claim holds for longer.
const PATIENCE: Duration = Duration::from_mins(5);

/// Where letters go.
enum Way {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    /// For a newcomer without a mail server: a file each.
    Folder(Folder),
}

struct Folder {
    path: PathBuf,
    written: u64,
    clock: Clock,
    entropy: Entropy,
}

impl Mailer {
    /// Letters that may wait; whoever would be one more learns by the log that no mail went out.
    const QUEUE: usize = 1_000;

    /// Starts the task that sends.
    ///
    /// # Errors
    ///
    /// If the SMTP URL or the sender makes no sense, or the folder for mail cannot be made.
    pub fn start(config: &Config, clock: Clock, entropy: Entropy) -> Result<Self, Fault> {
        let from: Mailbox = config
            .mail
            .from
            .parse()
            .map_err(|error| Fault::internal(format!("mail.from: {error}")))?;
        let way = if let Some(url) = &config.mail.smtp_url {
            Way::Smtp(
                AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose())
                    .map_err(|error| Fault::internal(format!("mail.smtp_url: {error}")))?
                    .build(),
            )
        } else {
            let folder = config.data_dir.join("mail");
            // Links in mail are as good as passwords while they last.
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)
                .map_err(Fault::internal)?;
            Way::Folder(Folder {
                path: folder,
                written: 0,
                clock: clock.clone(),
                entropy,
            })
        };
        let (queue, errands) = mpsc::channel(Self::QUEUE);
        let sending = tokio::spawn(send_all(errands, way, from, clock));
        Ok(Self {
            queue: Arc::new(Mutex::new(Some(queue))),
            sending: Arc::new(Mutex::new(Some(sending))),
        })
    }

    /// Takes a letter to be sent soon. Call it after the act that it speaks of is committed.
    pub fn send(&self, letter: Letter) {
        self.put_or_lose(Errand::Send(letter));
    }

    /// Takes work that ends in a letter or none, so that whoever waits for an answer cannot tell by its time
    /// which it was.
    pub fn write_later(&self, work: impl Future<Output = Result<Option<Letter>, Fault>> + Send + 'static) {
        self.put_or_lose(Errand::Write(Box::pin(work)));
    }

    /// Sends the notifications that are due, soon. Call it after the act that wrote them is committed; what does not go out
    /// now does when the job comes round.
    pub fn send_notifications(&self, db: &Db) {
        let (tell, _nobody) = oneshot::channel();
        self.put(Errand::Notify(db.clone(), tell));
    }

    /// Sends the notifications that are due, and says how many there were.
    pub(super) async fn all_notifications(&self, db: Db) -> Result<u64, Fault> {
        let (tell, told) = oneshot::channel();
        if !self.put(Errand::Notify(db, tell)) {
            return Ok(0);
        }
        told.await.map_err(Fault::internal)?
    }

    fn put_or_lose(&self, errand: Errand) {
        if !self.put(errand) {
            tracing::error!("a mail is lost: too many wait, or the server is about to stop");
        }
    }

    /// Whether there was room.
    fn put(&self, errand: Errand) -> bool {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        queue.is_some_and(|queue| queue.try_send(errand).is_ok())
    }

    /// Waits until everything that was handed in before is sent, or has failed.
    pub async fn flush(&self) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (tell, told) = oneshot::channel();
        if let Some(queue) = queue
            && queue.send(Errand::Tell(tell)).await.is_ok()
            && told.await.is_err()
        {
            tracing::error!("the task that sends mail failed");
        }
    }

    /// Sends what waits, and takes no more: for a graceful stop.
    pub async fn drain(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sending) = sending
            && let Err(error) = sending.await
        {
            tracing::error!(%error, "the task that sends mail failed");
        }
    }
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailer")
    }
}

async fn send_all(mut errands: mpsc::Receiver<Errand>, mut way: Way, from: Mailbox, clock: Clock) {
    while let Some(errand) = errands.recv().await {
        match errand {
            Errand::Send(letter) => {
                send(letter, &mut way, &from, &clock).await;
            }
            Errand::Write(work) => match work.await {
                Ok(Some(letter)) => {
                    send(letter, &mut way, &from, &clock).await;
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "a mail could not be written"),
            },
            Errand::Notify(db, tell) => {
                let sent = notify(&db, &mut way, &from, &clock).await;
                if let Err(Err(fault)) = tell.send(sent) {
                    tracing::warn!(%fault, "notifications are put off");
                }
            }
            Errand::Tell(done) => {
                // Nobody may wait any more.
                let _ = done.send(());
            }
        }
    }
}

/// One after another, until none is due, or one does not go out: the mail server may be away.
async fn notify(db: &Db, way: &mut Way, from: &Mailbox, clock: &Clock) -> Result<u64, Fault> {
    let mut sent = 0;
    loop {
        let mut connection = db.connection().await?;
        let claimed = store::claim_notification(&mut connection, clock.now()).await?;
        let Some((id, Notification { to, subject, text })) = claimed else {
            return Ok(sent);
        };
        let Some(user) = store::user(&connection, to).await? else {
            // Whoever goes takes it along.
            continue;
        };
        drop(connection);
        let letter = Letter {
            to: user.email,
            subject,
            text: format!("Hello {},\n\n{text}", user.name),
        };
        if timeout(PATIENCE, send(letter, way, from, clock)).await != Ok(true) {
            return Ok(sent);
        }
        store::delete_notification(&mut *db.connection().await?, id).await?;
        sent += 1;
    }
}

/// Whether it went out.
async fn send(letter: Letter, way: &mut Way, from: &Mailbox, clock: &Clock) -> bool {
    let (to, about) = (letter.to.clone(), letter.subject.clone());
    let sent = match message(letter, from, clock) {
        Err(error) => Err(error),
        Ok(message) => match way {
            Way::Smtp(transport) => deliver(transport, &message).await.map(|()| None),
            Way::Folder(folder) => folder.write(&message).await.map(Some),
        },
    };
    match &sent {
        Ok(None) => tracing::info!(%to, about, "mail sent"),
        Ok(Some(file)) => {
            tracing::info!(%to, about, file = %file.display(), "no mail server is set: mail written to a file");
        }
        Err(error) => tracing::error!(%to, about, %error, "mail not sent"),
    }
    sent.is_ok()
}

/// Tries again where the mail server says that it may work later.
async fn deliver(transport: &AsyncSmtpTransport<Tokio1Executor>, message: &Message) -> Result<(), Fault> {
    let mut pauses = PAUSES.into_iter();
    loop {
        match transport.send(message.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_permanent() => return Err(Fault::internal(error)),
            Err(error) => match pauses.next() {
                Some(pause) => sleep(pause).await,
                None => return Err(Fault::unavailable(error)),
            },
        }
    }
}

fn message(letter: Letter, from: &Mailbox, clock: &Clock) -> Result<Message, Fault> {
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(
            None,
            letter.to.as_str().parse().map_err(Fault::internal)?,
        ))
        .subject(letter.subject)
        .date(clock.now().into())
        .header(ContentType::TEXT_PLAIN)
        .body(letter.text)
        .map_err(Fault::internal)
}

impl Folder {
    /// Named so that files sort as they were written.
    async fn write(&mut self, message: &Message) -> Result<PathBuf, Fault> {
        self.written += 1;
        let file = self.path.join(format!(
            "{}-{:06}-{}.eml",
            self.clock.unix(),
            self.written,
            self.entropy.uuid(&self.clock).simple()
        ));
        tokio::fs::write(&file, message.formatted())
            .await
            .map_err(Fault::internal)?;
        Ok(file)
    }
}
