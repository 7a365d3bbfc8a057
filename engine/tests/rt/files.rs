//! Files: what opens and what does not, reads through the ring, listings, and what is left behind.

use std::cell::Cell;
use std::fs;
use std::future::Future;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::task::{Context, Waker};

use flatend::rt::{self, File, FileKind, FileTrouble, Permits, Residency};
use rustix::fs::Advice;

use super::shard;
use crate::support::body;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("flatend-rt-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("site/inner")).expect("a folder");
        Folder(path)
    }

    fn site(&self) -> PathBuf {
        self.0.join("site")
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).expect("it can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in the temporary directory disturbs nobody.
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Descriptors of this process for the file at `path`.
fn descriptors(path: &Path) -> usize {
    let all = fs::read_dir("/proc/self/fd").expect("proc is mounted");
    all.flatten()
        .filter(|entry| fs::read_link(entry.path()).is_ok_and(|file| file == path))
        .count()
}

/// Throws a file's pages out of the page cache.
fn cool(path: &Path) {
    let file = fs::File::open(path).expect("it is there");
    file.sync_all().expect("only clean pages can go");
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).expect("the kernel takes the advice");
}

#[test]
fn only_what_lies_beneath_opens() {
    let folder = Folder::new("beneath");
    folder.write("outside", b"no");
    folder.write("site/inside", b"yes");
    let site = folder.site();
    symlink("../outside", site.join("out")).expect("a link");
    symlink("..", site.join("up")).expect("a link");
    symlink("inside", site.join("in")).expect("a link");
    symlink("../inside", site.join("inner/back")).expect("a link");
    symlink(site.join("inside"), site.join("absolute")).expect("a link");
    symlink("loop", site.join("loop")).expect("a link");
    symlink("/proc/self/root", site.join("magic")).expect("a link");
    rustix::fs::mknodat(
        fs::File::open(&site).expect("it is there").as_fd(),
        "pipe",
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .expect("a pipe");
    shard::run(move || async move {
        let root = File::directory(&site).await.expect("a directory");
        for name in ["inside", "in", "inner/back", "inner/../inside"] {
            let file = root.open_beneath(name.as_bytes()).await;
            let file = file.unwrap_or_else(|err| panic!("{name}: {err}"));
            assert_eq!(
                &file.read_at(0, 10).await.expect("it reads")[..],
                b"yes",
                "{name}"
            );
        }
        for name in [
            "out",
            "up/outside",
            "../outside",
            "inner/../../outside",
            "/etc/passwd",
            "absolute",
            "loop",
            "magic/etc/passwd",
            "nothing",
            "inside/below",
            "inside/",
        ] {
            let err = root.open_beneath(name.as_bytes()).await.err();
            let err = err.unwrap_or_else(|| panic!("{name} opened"));
            assert_eq!(FileTrouble::of(&err), FileTrouble::Missing, "{name}: {err}");
        }
        let long = "x".repeat(5_000);
        let err = root
            .open_beneath(long.as_bytes())
            .await
            .err()
            .expect("too long");
        assert_eq!(FileTrouble::of(&err), FileTrouble::Missing);
        let err = root
            .open_beneath(b"a\0b")
            .await
            .err()
            .expect("no name holds NUL");
        assert_eq!(err.kind(), ErrorKind::InvalidInput);
        // Opening a pipe waits for nobody.
        let pipe = root.open_beneath(b"pipe").await.expect("it opens");
        assert_eq!(pipe.stat().expect("it is open").kind, FileKind::Other);
        let inner = root.open_beneath(b"inner").await.expect("it opens");
        assert_eq!(inner.stat().expect("it is open").kind, FileKind::Directory);
    });
}

#[test]
fn a_file_reads_as_it_is_wherever_its_pages_are() {
    let folder = Folder::new("reads");
    let content = body::bytes(7, 3_000_000);
    let path = folder.write("site/file", &content);
    shard::run(move || async move {
        for cold in [false, true] {
            if cold {
                cool(&path);
            }
            let file = File::open(&path).await.expect("it opens");
            assert_eq!(file.stat().expect("it is open").bytes, content.len() as u64);
            let mut read = Vec::new();
            loop {
                let piece = file
                    .read_at(read.len() as u64, 1 << 20)
                    .await
                    .expect("it reads");
                assert!(piece.len() <= 256 * 1024, "the bound of one read");
                if piece.is_empty() {
                    break;
                }
                read.extend_from_slice(&piece);
            }
            assert!(read == content, "cold: {cold}");
        }
        let file = File::open(&path).await.expect("it opens");
        match file.residency(0, content.len() as u64) {
            Residency::Whole => {}
            // Before Linux 6.5.
            Residency::Unknown => return,
            Residency::Part => panic!("it has just been read"),
        }
        cool(&path);
        if file.residency(0, content.len() as u64) == Residency::Whole {
            // A file system in memory, from which nothing goes.
            return;
        }
        file.read_at(8_192, 4_096).await.expect("it reads");
        assert_eq!(file.residency(8_192, 4_096), Residency::Whole);
        assert_eq!(file.residency(9_000, 10), Residency::Whole);
    });
}

/// Two hundred cold reads at once, more than the ring takes; the stalls that were seen meanwhile.
async fn stalls_of_cold_reads(path: &Path) -> u64 {
    let reading = Rc::new(Cell::new(0));
    let stalls = rt::stats().stalls;
    for number in 0..200u64 {
        let (path, reading) = (path.to_owned(), reading.clone());
        reading.set(reading.get() + 1);
        rt::spawn(async move {
            let file = File::open(&path).await.expect("it opens");
            if number == 0 {
                cool(&path);
            }
            let piece = file
                .read_at(number * 100_000, 100_000)
                .await
                .expect("it reads");
            assert_eq!(piece.len(), 100_000);
            reading.set(reading.get() - 1);
        });
    }
    while reading.get() > 0 {
        rt::sleep(1).await;
    }
    rt::stats().stalls - stalls
}

#[test]
fn reads_that_wait_hold_up_no_other_task() {
    let folder = Folder::new("waits");
    let path = folder.write("site/file", &body::bytes(3, 32_000_000));
    shard::run(move || async move {
        // A turn over 100 ms is one; a machine that takes the core away for so long makes one too, but not each time.
        let mut stalls = 0;
        for _ in 0..5 {
            stalls = stalls_of_cold_reads(&path).await;
            if stalls == 0 {
                break;
            }
        }
        assert_eq!(stalls, 0, "a turn took over 100 ms, five times");
    });
}

#[test]
fn a_dropped_operation_leaves_nothing_behind() {
    let folder = Folder::new("dropped");
    let path = folder.write("site/file", &body::bytes(3, 8_000_000));
    shard::run(move || async move {
        let file = File::open(&path).await.expect("it opens");
        cool(&path);
        let mut cx = Context::from_waker(Waker::noop());
        for number in 0..300u64 {
            // Polled once, so that the kernel has it or it waits in line, then given up.
            let mut read = Box::pin(file.read_at(number % 80 * 100_000, 100_000));
            let _ = read.as_mut().poll(&mut cx);
            drop(read);
            let mut open = Box::pin(File::open(&path));
            let _ = open.as_mut().poll(&mut cx);
            drop(open);
        }
        // What was given up ends before what comes after it gets its permit.
        for _ in 0..100 {
            assert!(!file.read_at(0, 10).await.expect("it reads").is_empty());
        }
        // One is the file above.
        while descriptors(&path) > 1 {
            rt::sleep(1).await;
        }
    });
}

#[test]
fn a_shard_ends_while_reads_are_under_way() {
    let folder = Folder::new("ends");
    let path = folder.write("site/file", &body::bytes(3, 8_000_000));
    for _ in 0..10 {
        let path = path.clone();
        shard::run(move || async move {
            cool(&path);
            for number in 0..80u64 {
                let path = path.clone();
                rt::spawn(async move {
                    if let Ok(file) = File::open(&path).await {
                        let _ = file.read_at(number * 100_000, 100_000).await;
                    }
                });
            }
            rt::yield_now().await;
        });
    }
}

#[test]
fn a_listing_shows_what_may_be_served() {
    let folder = Folder::new("listing");
    folder.write("outside", b"no");
    folder.write("site/inner/b", b"22");
    folder.write("site/inner/.hidden", b"");
    folder.write("site/a", b"1");
    let site = folder.site();
    symlink("../../outside", site.join("inner/out")).expect("a link");
    symlink("../a", site.join("inner/in")).expect("a link");
    symlink("nowhere", site.join("inner/dangling")).expect("a link");
    fs::create_dir(site.join("inner/deep")).expect("a folder");
    shard::run(move || async move {
        let root = File::directory(&site).await.expect("a directory");
        let listing = root.list(b"inner").await.expect("it lists");
        let mut names: Vec<_> = listing
            .entries
            .iter()
            .map(|entry| {
                (
                    String::from_utf8_lossy(&entry.name).into_owned(),
                    entry.stat.kind,
                    entry.stat.bytes,
                )
            })
            .filter(|(_, kind, bytes)| *kind == FileKind::Directory || *bytes > 0)
            .map(|(name, kind, _)| (name, kind))
            .collect();
        names.sort_by(|one, other| one.0.cmp(&other.0));
        let want = [
            ("b", FileKind::Regular),
            ("deep", FileKind::Directory),
            ("in", FileKind::Regular),
        ];
        assert_eq!(names, want.map(|(name, kind)| (name.to_owned(), kind)));
        assert!(!listing.cut);
        let err = root.list(b"a").await.expect_err("a file");
        assert_eq!(FileTrouble::of(&err), FileTrouble::Missing);
        for number in 0..1_001 {
            fs::write(site.join(format!("inner/deep/{number}")), b"").expect("it can be written");
        }
        let listing = root.list(b"inner/deep").await.expect("it lists");
        assert!(listing.cut && listing.entries.len() == 1_000);
    });
}

#[test]
fn permits_bound_what_runs_at_once() {
    shard::run(|| async {
        let permits = Permits::new(3);
        let (running, most, done) = (
            Rc::new(Cell::new(0)),
            Rc::new(Cell::new(0)),
            Rc::new(Cell::new(0)),
        );
        for _ in 0..50 {
            let (permits, running, most, done) =
                (permits.clone(), running.clone(), most.clone(), done.clone());
            rt::spawn(async move {
                let _permit = permits.take().await;
                running.set(running.get() + 1);
                most.set(most.get().max(running.get()));
                rt::yield_now().await;
                running.set(running.get() - 1);
                done.set(done.get() + 1);
            });
        }
        while done.get() < 50 {
            rt::yield_now().await;
        }
        assert_eq!(most.get(), 3);
    });
}

#[test]
fn what_a_failed_open_means() {
    use rustix::io::Errno;
    for (errno, trouble) in [
        (Errno::NOENT, FileTrouble::Missing),
        (Errno::XDEV, FileTrouble::Missing),
        (Errno::ACCESS, FileTrouble::Forbidden),
        (Errno::MFILE, FileTrouble::Exhausted),
        (Errno::NOMEM, FileTrouble::Exhausted),
        (Errno::AGAIN, FileTrouble::Moving),
        (Errno::IO, FileTrouble::Failed),
    ] {
        assert_eq!(FileTrouble::of(&errno.into()), trouble, "{errno}");
    }
}
