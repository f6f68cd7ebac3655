//! The story: a legacy shop becomes an order service while it stays open, told on one screen.
//!
//! Everything shown is what the real commands print when they run as child processes; every step that does not end as it should ends the
//! story with an error, so it is also a test. Dropped at any moment, it leaves nothing behind: servers, children and folder are gone.

mod engine;
mod example;
mod failure;
mod live;
mod order;
mod program;
mod project;
mod screen;
mod shop_day;
mod stage;

pub use example::tell_example;
pub use failure::{StoryError, Told};
pub use screen::Screen;

use std::sync::Arc;
use std::time::Duration;

use order::NUMBER;
use program::{Program, Running};
use shop_day::OpenShop;
use stage::Stage;

/// How the story is told.
#[derive(Debug, Clone, Copy)]
pub struct StoryOptions {
    /// Orders in the shop; about eleven legacy rows each.
    pub orders: u32,
    /// Transactions of the shop per second.
    pub transactions_per_second: f64,
    /// Leaves out what only repeats.
    pub fast: bool,
    /// Keeps everything running at the end, until somebody ends it.
    pub keep: bool,
}

/// Tells the whole story.
///
/// # Errors
/// Whatever did not end as it should.
pub async fn tell(options: &StoryOptions, screen: &Arc<Screen>) -> Told {
    screen.title("strangler demo: a legacy shop moves into an order service, and stays open meanwhile");
    screen.step("A legacy shop, and an empty database for the new service");
    let mut stage = Stage::set(options.orders, screen).await?;
    let shop = OpenShop::open(&stage.shop_url, options.transactions_per_second).await?;
    stage.shop_writes(&order::placed()).await?;
    screen
        .say(&format!("shop        open: {} transactions a second, of 32 kinds, until the end", options.transactions_per_second));

    look_first(&stage, screen, options).await?;
    let engine = go_live(&stage, screen).await?;
    verify_while_moving(&stage, screen, &shop).await?;

    screen.step("One order, before and after");
    order::show(&mut stage, screen).await?;
    screen.step("Changes in the legacy database, seen in the service");
    screen.say("milliseconds from the legacy commit to the service; no reader saw half of a change");
    live::follow_changes(&mut stage, screen).await?;

    one_wrong_row(&stage, screen).await?;
    let engine = kill_and_resume(&mut stage, screen, engine, options).await?;
    let engine = close_and_finish(&stage, screen, engine, shop, options).await?;
    conclude(&stage, screen, engine, options).await
}

/// What a careful user reads before anything is written.
async fn look_first(stage: &Stage, screen: &Screen, options: &StoryOptions) -> Told {
    screen.step("Is everything as it must be? What would happen? Nothing is written yet");
    show(&stage.program, screen, "check", 0, (3, 4)).await?;
    show(&stage.program, screen, "plan", 0, (12, 5)).await?;
    if !options.fast {
        show(&stage.program, screen, "diff --table orders --show 1", 2, (12, 2)).await?;
    }
    Ok(())
}

async fn go_live(stage: &Stage, screen: &Screen) -> Told<Running> {
    screen.step("The backfill, while the shop keeps writing; then live");
    screen.command("strangler run &");
    let mut engine = stage.program.start("run")?;
    engine::until_live(&stage.program, &mut engine, screen).await?;
    screen.good(&format!("live after {:.0} s", screen.elapsed_s()));
    show(&stage.program, screen, "status", 0, (14, 0)).await?;
    Ok(engine)
}

async fn verify_while_moving(stage: &Stage, screen: &Screen, shop: &OpenShop) -> Told {
    screen.step("Is every row what the legacy system says? Both move meanwhile");
    let before = shop.counts()?.committed;
    show(&stage.program, screen, "verify", 0, (12, 2)).await?;
    screen.good(&format!(
        "first verified {:.0} s after the start; the shop committed {} transactions meanwhile",
        screen.elapsed_s(),
        shop.counts()?.committed - before
    ));
    Ok(())
}

/// Somebody changes a row of the service by hand; verify names exactly that row.
async fn one_wrong_row(stage: &Stage, screen: &Screen) -> Told {
    screen.step("A row of the service is changed behind our back");
    let spoil = format!("UPDATE orders SET paid_amount = paid_amount + 1000 WHERE order_id = '{NUMBER}'");
    let mend = format!("UPDATE orders SET paid_amount = paid_amount - 1000 WHERE order_id = '{NUMBER}'");
    write_service(stage, screen, &spoil).await?;
    screen.command("strangler verify");
    let found = stage.program.expect("verify", 2).await?;
    screen.output(&found.stdout, 12, 2);
    let named = format!("order_id = '{NUMBER}': differs in paid_amount\n");
    if !found.stdout.contains(&named) || !found.stdout.contains("1 confirmed difference\n") {
        return Err(found.unexpected("strangler verify", "exactly the one wrong row and column"));
    }
    screen.good("found: exactly that row and column (exit code 2)");
    write_service(stage, screen, &mend).await
}

async fn write_service(stage: &Stage, screen: &Screen, statement: &str) -> Told {
    screen.command(&format!("psql orders -c \"{statement}\""));
    let written = stage.service.execute(statement, &[]).await.map_err(StoryError::sql("change a row of the service"))?;
    if written == 1 {
        Ok(())
    } else {
        Err(StoryError::Unexpected(format!("{written} rows of the service were changed by hand, not one")))
    }
}

async fn kill_and_resume(stage: &mut Stage, screen: &Screen, engine: Running, options: &StoryOptions) -> Told<Running> {
    screen.step("The engine is killed, the shop goes on, the engine is started again");
    screen.command(&format!("kill -9 {}", engine.pid()));
    engine.kill()?;
    tokio::time::sleep(Duration::from_millis(if options.fast { 500 } else { 1_500 })).await;
    screen.command("strangler run &");
    let mut engine = stage.program.start("run")?;
    let elapsed = live::caught_up(stage, 1).await?;
    engine::until_live(&stage.program, &mut engine, screen).await?;
    screen.good(&format!("resumed from its checkpoint and caught up {:.1} s after the start", elapsed.as_secs_f64()));
    Ok(engine)
}

/// The shop closes; the last row arrives; everything is equal and nothing is pending.
async fn close_and_finish(
    stage: &Stage,
    screen: &Screen,
    mut engine: Running,
    shop: OpenShop,
    options: &StoryOptions,
) -> Told<Option<Running>> {
    screen.step("The shop closes; the rest arrives; everything is compared once more");
    let counts = shop.close().await?;
    screen.say(&format!("shop        closed after {} commits, {} rollbacks", counts.committed, counts.rolled_back));
    screen.command(&format!("kill -INT {}", engine.pid()));
    engine.signal("INT")?;
    let ended = engine.end_within(Duration::from_secs(60)).await?;
    if ended.code != 130 {
        return Err(ended.unexpected("strangler run", "exit code 130 after Ctrl-C"));
    }
    show(&stage.program, screen, "run --until-caught-up", 0, (0, 3)).await?;
    show(&stage.program, screen, "verify", 0, (12, 2)).await?;
    show(&stage.program, screen, "diff", 0, (6, 2)).await?;
    if !options.keep {
        return Ok(None);
    }
    let mut engine = stage.program.start("run")?;
    engine::until_live(&stage.program, &mut engine, screen).await?;
    Ok(Some(engine))
}

async fn conclude(stage: &Stage, screen: &Screen, engine: Option<Running>, options: &StoryOptions) -> Told {
    screen.step("Done");
    if let Some(engine) = engine {
        return keep(stage, screen, engine, options).await;
    }
    let keep = if options.fast { "strangler demo --fast --keep" } else { "strangler demo --keep" };
    screen.say(&format!(
        "The servers and files of the demo are removed now.\n\
         Next:\n  {keep:<30} the same, left running, to look around\n  \
         strangler check                with a strangler.yaml of your own: see the README, `ten minutes`\n  strangler --help"
    ));
    Ok(())
}

/// Leaves everything running with the shop open again, until somebody ends the demo. What a visitor breaks meanwhile is no failure of ours.
async fn keep(stage: &Stage, screen: &Screen, mut engine: Running, options: &StoryOptions) -> Told {
    let shop = OpenShop::open(&stage.shop_url, options.transactions_per_second / 10.0).await?;
    screen.say(&format!(
        "Servers and engine keep running, and the shop is open again, until Ctrl-C. In another terminal:\n  \
         cd {} && . ./env.sh\n  strangler status --watch",
        stage.folder.display()
    ));
    let ended = engine.end_within(Duration::MAX).await?;
    screen.say(&format!("the engine has ended with exit code {}; `strangler run` starts another", ended.code));
    drop(engine);
    std::future::pending::<()>().await;
    drop(shop);
    Ok(())
}

/// Runs a command and shows the first and the last lines it prints; it must end with `code`.
async fn show(program: &Program, screen: &Screen, arguments: &str, code: i32, (head, tail): (usize, usize)) -> Told {
    screen.command(&format!("strangler {arguments}"));
    screen.passing("..");
    let finished = program.expect(arguments, code).await?;
    let printed = if finished.stdout.trim().is_empty() { &finished.stderr } else { &finished.stdout };
    screen.output(printed, head, tail);
    Ok(())
}
