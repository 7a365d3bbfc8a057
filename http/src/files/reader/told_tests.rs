//! What is told of files that cannot be sent: to the client, and to the log.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use rustix::io::Errno;

use super::load::Lack;
use super::{Served, Site, SiteOptions};

fn site() -> (Site, Rc<RefCell<Vec<String>>>) {
    let told = Rc::new(RefCell::new(Vec::new()));
    let log = told.clone();
    let options = SiteOptions {
        path: "/srv".into(),
        is_directory: true,
        listing: false,
        fallback: None,
        nocache: false,
    };
    let site = Site::new(options, move |line| log.borrow_mut().push(line));
    (site, told)
}

fn key(site: &Site) -> Vec<u8> {
    [&site.number[..], b"a/b.iso"].concat()
}

#[test]
fn a_lack_of_memory_is_not_called_one_of_descriptors() {
    for (errno, word) in [
        (Errno::MFILE, "too many open files"),
        (Errno::NFILE, "too many open files"),
        (Errno::NOMEM, "out of memory"),
    ] {
        let (site, told) = site();
        let error = io::Error::from(errno);
        let Served::Answer { status, .. } = site.answer(&key(&site), Lack::from(error)) else {
            panic!("it is answered")
        };
        assert_eq!(status, 503);
        assert!(told.borrow()[0].contains(word), "{told:?}");
    }
}

#[test]
fn a_path_that_is_renamed_all_the_time_is_told_to_the_client_alone() {
    let (site, told) = site();
    let error = io::Error::from(Errno::AGAIN);
    let Served::Answer {
        status, sentence, ..
    } = site.answer(&key(&site), Lack::from(error))
    else {
        panic!("it is answered")
    };
    assert_eq!(
        (status, sentence.as_str()),
        (503, "The file is being changed; try again.")
    );
    assert_eq!(*told.borrow(), [""; 0]);
}

#[test]
fn why_a_response_was_cut() {
    let (site, told) = site();
    let error = io::Error::from(Errno::IO);
    site.tell_cut(&key(&site), Some(&error));
    site.tell_cut(&key(&site), None);
    let told = told.borrow();
    assert!(
        told[0].starts_with("Cannot read the file 'a/b.iso' of '/srv' to its end: ")
            && told[0].ends_with("; its response was cut."),
        "{told:?}"
    );
    assert_eq!(told[1], "The file 'a/b.iso' of '/srv' became shorter while it was sent; its response was cut. Put files in place with a rename.");
}
