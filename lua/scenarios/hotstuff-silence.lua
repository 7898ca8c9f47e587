return scenario "hotstuff-silence" {
  summary  = "A leader of a correct cluster of hotstuff keeps to itself what the others' votes made: they go on without it.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "silence",
  args     = { phase = "precommit" }, -- it proposes, and keeps the certificate that the votes make
  phases   = { before = 2, during = 6, after = 4 },
  expect   = { verdict = "holds" },
}
