//! Every wait has its time, and its reason.

use super::*;
use crate::edge::framing::Chunk;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

/// Why and after how many seconds a connection is cut that never ends by itself.
async fn cut(prepare: impl Future<Output = ()>, watch: &Arc<Watch>) -> (Option<Cut>, u64) {
    let start = Instant::now();
    let work = async {
        prepare.await;
        std::future::pending::<()>().await;
    };
    assert!(watch.clone().guard(work).await.is_none());
    (watch.was_cut(), start.elapsed().as_secs())
}

fn watch() -> Arc<Watch> {
    Arc::new(Watch::new(10 * SECOND, 60 * SECOND))
}

/// One that works on a request whose upstream has three seconds for the head of its answer.
fn asked() -> Arc<Watch> {
    let watch = watch();
    watch.head_read(Body::Chunked(Chunk::Start));
    watch.answer_within(Some(3 * SECOND));
    watch
}

#[tokio::test(start_paused = true)]
async fn a_head_has_its_time_and_the_pause_before_it_another() {
    assert_eq!(cut(async {}, &watch()).await, (Some(Cut::Silence), 10));
    let watch = watch();
    watch.finished();
    let begins = async {
        sleep(50 * SECOND).await;
        watch.head_begun();
    };
    assert_eq!(cut(begins, &watch).await, (Some(Cut::Silence), 60));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_waited_for_from_the_last_piece_of_the_request() {
    assert_eq!(cut(async {}, &asked()).await, (Some(Cut::Late), 3));
    let watch = asked();
    let sends = async {
        sleep(2 * SECOND).await;
        watch.progress();
    };
    assert_eq!(cut(sends, &watch).await, (Some(Cut::Late), 5));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_is_not_late_while_the_client_is() {
    let watch = asked();
    let reads = async {
        watch.awaits_body();
        // Each time the work is polled, it says anew what it waits for.
        sleep(7 * SECOND).await;
    };
    assert_eq!(cut(reads, &watch).await, (Some(Cut::Late), 7));
    let watch = asked();
    watch.body_is_asked(false);
    assert_eq!(cut(async { watch.awaits_body() }, &watch).await, (Some(Cut::Late), 3));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_cut_whatever_else_is_waited_for() {
    let watch = asked();
    let stalls = async {
        watch.stalled();
        sleep(SECOND).await;
        watch.stalled();
    };
    assert_eq!(cut(stalls, &watch).await, (Some(Cut::Gone), 60));
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_whose_client_closed_its_side_ends_soon() {
    let watch = asked();
    watch.half_closed();
    let streams = async {
        sleep(SECOND).await;
        watch.stream_within(100 * SECOND);
        sleep(SECOND).await;
        watch.progress();
    };
    assert_eq!(cut(streams, &watch).await, (Some(Cut::Gone), 4));
}
