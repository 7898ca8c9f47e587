return scenario "bug-prepare-quorum-2f" {
  summary  = "A replica that prepares with one vote too few: it sends a commit that nothing justifies.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, bug = "prepare-quorum-2f" },
  attack   = "few-votes",
  args     = { what = "prepare" },
  phases   = { before = 2, during = 5, after = 2 },
  expect   = { verdict = "holds" },
}
