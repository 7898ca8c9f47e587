return scenario "few-votes" {
  summary  = "One replica of a correct cluster is shown one commit too few: it waits.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "few-votes",
  phases   = { before = 2, during = 5, after = 2 },
  expect   = { verdict = "holds" },
}
