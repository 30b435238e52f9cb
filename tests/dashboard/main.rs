//! The dashboard in a real browser, as somebody uses it who has nothing but the link that was printed.

#![expect(clippy::unwrap_used, reason = "clippy takes only #[test] functions for tests")]

mod browser;
mod demo;
mod in_cluster;
mod served;

use browser::Browser;
use demo::Demo;
use served::Served;

#[test]
fn the_demo_is_shown_from_its_start_to_the_revert_with_the_numbers_of_the_status() {
    let Some(browser) = Browser::find() else { return };
    let demo = Demo::start();
    browser.run("demo.mjs", &[&demo.link, &demo.api]);
}

#[test]
fn names_and_messages_stay_text_and_what_another_version_writes_is_shown_as_far_as_it_is_known() {
    let Some(browser) = Browser::find() else { return };
    let served = Served::still();
    browser.run("still.mjs", &[&served.link]);
}

#[test]
fn among_thousands_of_changes_of_a_cluster_that_comes_and_goes_the_page_answers_its_reader() {
    let Some(browser) = Browser::find() else { return };
    let served = Served::restless(3_000);
    browser.run("restless.mjs", &[&served.link]);
}
