return scenario "cometbft-corrupt-bytes" {
  summary  = "Bytes of what a CometBFT validator says are changed on the way: peers refuse it and hang up, none falls over.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1 },
  attack   = "corrupt-bytes",
  phases   = { before = 1, during = 4, after = 10 },
  expect   = { verdict = "holds" },
}
