use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{EmbeddedError, OWNER, Options, SERVER, place::Place};

/// Only these two roles, only through the socket, whose folder nobody else may enter.
const ACCESS: &str = "# Written by Claviger at every start.\n";

/// Writes the settings and answers with the arguments that make PostgreSQL read them. What an operator sets by
/// `ALTER SYSTEM` wins over the settings, as always.
pub(super) fn write(place: &Place, options: &Options) -> Result<Vec<PathBuf>, EmbeddedError> {
    let access = format!("{ACCESS}local all {OWNER} trust\nlocal all {SERVER} trust\n");
    let access = place.write("access.conf", access.as_bytes())?;
    let identities = place.write("identities.conf", ACCESS.as_bytes())?;
    let settings = place.write("settings.conf", &settings(place, options, &access, &identities))?;
    Ok(vec![
        "-D".into(),
        place.cluster.clone(),
        "-c".into(),
        assignment("config_file=", &settings),
    ])
}

fn assignment(name: &str, path: &Path) -> PathBuf {
    let mut text = std::ffi::OsString::from(name);
    text.push(path);
    text.into()
}

fn settings(place: &Place, options: &Options, access: &Path, identities: &Path) -> Vec<u8> {
    let mut text = format!(
        "# Written by Claviger at every start. To change a setting: ALTER SYSTEM.\n\
         listen_addresses = ''\n\
         unix_socket_permissions = 0700\n\
         cluster_name = 'claviger'\n\
         max_connections = {}\n\
         shared_buffers = '128MB'\n\
         jit = off\n\
         max_parallel_workers_per_gather = 0\n\
         timezone = 'UTC'\n\
         log_timezone = 'UTC'\n\
         lc_messages = 'C'\n",
        options.max_connections
    )
    .into_bytes();
    // One write at each commit is what a refresh costs. Longer times between checkpoints mean fewer whole pages
    // in the log; nothing here gives up a commit that was answered.
    text.extend_from_slice(
        b"wal_compression = on\n\
          wal_buffers = '16MB'\n\
          checkpoint_timeout = '15min'\n\
          max_wal_size = '2GB'\n\
          max_wal_senders = 0\n\
          max_replication_slots = 0\n\
          max_logical_replication_workers = 0\n\
          idle_in_transaction_session_timeout = '60s'\n",
    );
    // Terse, and without statements' parameters: an error's detail quotes the row that it is about.
    text.extend_from_slice(
        b"logging_collector = on\n\
          log_filename = 'postgresql-%a.log'\n\
          log_truncate_on_rotation = on\n\
          log_rotation_age = '1d'\n\
          log_rotation_size = 0\n\
          log_line_prefix = '%m [%p] '\n\
          log_error_verbosity = terse\n\
          log_parameter_max_length = 0\n\
          log_parameter_max_length_on_error = 0\n\
          log_checkpoints = off\n",
    );
    if !options.durable {
        text.extend_from_slice(
            b"fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nautovacuum = off\n",
        );
    }
    for (name, path) in [
        ("log_directory", place.log.as_path()),
        ("unix_socket_directories", &place.socket),
        ("hba_file", access),
        ("ident_file", identities),
    ] {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b" = '");
        for byte in path.as_os_str().as_bytes() {
            if matches!(byte, b'\'' | b'\\') {
                text.push(*byte);
            }
            text.push(*byte);
        }
        text.extend_from_slice(b"'\n");
    }
    text
}
