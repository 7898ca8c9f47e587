return scenario "bug-view-change-quorum-2f" {
  summary  = "A new view from one view change too few.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, bug = "view-change-quorum-2f" },
  attack   = "few-votes",
  args     = { what = "view_change" },
  phases   = { before = 2, during = 5, after = 2 },
  expect   = { verdict = "holds" },
}
