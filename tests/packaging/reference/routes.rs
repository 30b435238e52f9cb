//! The kinds under `spec.traffic.routes`.

use tidegate_planner::traffic::{KINDS, Reports, RouteKind};

use super::hold;

#[test]
fn every_kind_of_route_is_in_the_table_with_what_it_reports() {
    let row = |kind: &&RouteKind| {
        let reports = match kind.reports {
            Reports::Generation => "each change: it is waited for",
            Reports::Faults => "faults: what is written is in force unless one is reported",
            Reports::Nothing => "nothing: what is written is in force",
        };
        let rules = if kind.has_named_rules { "yes" } else { "no" };
        format!(
            "| {} | {} | `{}` | {} | {reports} | {rules} |\n",
            kind.product, kind.kind, kind.group, kind.weighing.unwritten
        )
    };
    let rows: String = KINDS.iter().map(row).collect();
    let text = format!(
        "# Kinds of routes\n\nThose that [`spec.traffic.routes`](../routers.md) may name. They carry weights, and nothing else: to a ten-thousandth of a percent where a rule's own weights are small, since all of them are multiplied and none exceeds 1,000,000.\n\n\
         | of | kind | group | a weight that is left out | reports | rules have names |\n|---|---|---|---|---|---|\n{rows}"
    );
    hold("routes.md", &text);
}
