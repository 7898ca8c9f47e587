return scenario "hotstuff-withheld-votes" {
  summary  = "Certificates of a correct cluster of hotstuff form at the last moment, for votes are withheld until then.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "withheld-votes",
  phases   = { before = 2, during = 6, after = 4 },
  expect   = { verdict = "holds" },
}
