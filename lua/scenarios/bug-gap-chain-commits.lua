return scenario "bug-gap-chain-commits" {
  summary  = "Three certified blocks in a row commit the first, also where the views between them were given up.",
  protocol = "chained-hotstuff",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16, bug = "gap-chain-commits" },
  attack   = "forking",
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
