//! The disk of the state folder is full: the run ends by name, and goes on once there is room.

use super::project;
use crate::support::oracle;
use crate::support::program::Ended;
use crate::support::project::Project;
use crate::support::servers::{Kind, own};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small disk; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where the tests may not mount.
    fn mount(at: &Path, options: &str) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "strangler-tests"]).arg(at).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(at.to_path_buf()));
        }
        let _ = writeln!(std::io::stderr(), "\n    SKIPPED a full disk: this account may not mount a tmpfs\n");
        None
    }

    fn resize(&self, options: &str) {
        let resized = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status().unwrap();
        assert!(resized.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn said_full(ended: Ended) {
    let text = ended.text();
    let ended = ended.expect(1);
    assert!(ended.stderr.contains("state"), "{text}");
    assert!(text.contains("No space left") || text.contains("free space"), "{text}");
}

async fn grow(project: &Project) {
    for doubling in 0..13 {
        let shift = 1000 << doubling;
        let double = format!(
            "INSERT INTO s_ord SELECT ord_no + {shift}, cust_no, st, amt, CONCAT('memo ', RAND()), ship_dt, unused FROM s_ord"
        );
        project.legacy(&[&double]).await;
    }
}

#[tokio::test]
async fn f88_a_full_disk_ends_the_run_and_more_room_resumes_it() {
    let Some(pair) = own(Kind::MariaDb, &[]).await else { return };
    let project = project(&pair, "disk_full").await;
    grow(&project).await;
    std::fs::create_dir(project.state()).unwrap();
    project.legacy(&["ANALYZE TABLE s_ord, s_cust"]).await;
    // Before it: nothing is read for a state that cannot fit.
    let Some(disk) = SmallDisk::mount(&project.state(), "size=1m") else { return };
    project.strangler(&["plan"]).await.expect(0).names(&["disk     state", "free now", "more will be written"]);
    project.strangler(&["run"]).await.expect(78).names(&["estimated at", "the disk of the state folder"]);
    assert!(!project.state().join("store").exists());
    // In the backfill.
    disk.resize("size=3m");
    said_full(project.strangler(&["run", "--until-caught-up"]).await);
    disk.resize("size=200m");
    assert!(project.settle().await > 40_000);
    // Live: what is left is little.
    let filler = project.state().join("filler");
    let fill = Command::new("dd").args(["if=/dev/zero", "bs=64k"]).arg(format!("of={}", filler.display())).output().unwrap();
    assert!(!fill.status.success(), "the disk is not full");
    project.legacy(&["UPDATE s_ord SET amt = amt + 1, memo = RAND()"]).await;
    said_full(project.strangler(&["run", "--until-caught-up"]).await);
    std::fs::remove_file(filler).unwrap();
    project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    assert!(oracle::check(&project).await > 40_000);
    drop(disk);
}
