//! The app server of an export.

use super::plan::{PORT, Plan};

/// Gunicorn's command with the site's numbers. Threads let a slow client hold less than a whole worker.
pub(super) fn command(plan: &Plan) -> Vec<String> {
    let mut words = vec![
        "gunicorn".to_owned(),
        plan.wsgi.clone(),
        format!("--bind=0.0.0.0:{PORT}"),
        format!("--workers={}", plan.workers),
        format!("--threads={}", plan.threads),
        format!("--timeout={}", plan.timeout),
        format!("--graceful-timeout={}", plan.graceful),
        // The container's own /tmp may be on a disk, and a heartbeat there can block.
        "--worker-tmp-dir=/dev/shm".to_owned(),
        "--access-logfile=-".to_owned(),
        // NGINX is the only one that reaches this port.
        "--forwarded-allow-ips=*".to_owned(),
    ];
    if plan.max_requests > 0 {
        words.push(format!("--max-requests={}", plan.max_requests));
    }
    words
}

/// What a release does, as one shell line.
pub(super) fn release(plan: &Plan) -> String {
    let mut commands = plan.release.clone();
    if plan.static_files.is_some() {
        commands.push("python manage.py collectstatic --noinput".to_owned());
    }
    commands.join(" && ")
}
