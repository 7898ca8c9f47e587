return scenario "bug-commit-quorum-2f" {
  summary  = "A replica that commits with one vote too few: it executes what it was not shown enough commits for.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, bug = "commit-quorum-2f" },
  attack   = "few-votes",
  args     = { what = "commit" },
  phases   = { before = 2, during = 5, after = 2 },
  expect   = { verdict = "holds" },
}
