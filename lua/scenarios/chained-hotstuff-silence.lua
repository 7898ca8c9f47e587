return scenario "chained-hotstuff-silence" {
  summary  = "A leader of a correct cluster of chained-hotstuff keeps to itself what the others' votes made: they go on without it.",
  protocol = "chained-hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "silence",
  phases   = { before = 2, during = 6, after = 4 },
  expect   = { verdict = "holds" },
}
