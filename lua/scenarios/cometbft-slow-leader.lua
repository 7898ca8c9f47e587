return scenario "cometbft-slow-leader" {
  summary  = "CometBFT proposals come just before the round would end: how late they may be is found by bisection.",
  protocol = "cometbft",
  cluster  = reference { n = 4, clients = 0, id = "turncoat", view_timeout = 1 },
  attack   = "slow-leader",
  -- The search doubles its delay up to 3.2 s: what is so late is waited for.
  phases   = { before = 1, during = 6, after = 7 },
  expect   = { verdict = "holds" },
}
