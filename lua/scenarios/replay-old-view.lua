return scenario "replay-old-view" {
  summary  = "The view changes twice; messages of the old views are sent again and again to a correct cluster.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "replay-old-view",
  phases   = { before = 2, during = 6, after = 2 },
  expect   = { verdict = "holds" },
}
