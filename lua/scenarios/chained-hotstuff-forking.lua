return scenario "chained-hotstuff-forking" {
  summary  = "A leader of a correct cluster of chained-hotstuff passes over the newest certificate: nothing that was decided is lost.",
  protocol = "chained-hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "forking",
  phases   = { before = 2, during = 8, after = 4 },
  expect   = { verdict = "holds" },
}
