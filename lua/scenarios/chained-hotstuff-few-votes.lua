return scenario "chained-hotstuff-few-votes" {
  summary  = "One replica of a correct cluster of chained-hotstuff is shown one vote too few whenever it leads: it makes no certificate.",
  protocol = "chained-hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "few-votes",
  args     = { what = "" },
  phases   = { before = 2, during = 5, after = 3 },
  expect   = { verdict = "holds" },
}
