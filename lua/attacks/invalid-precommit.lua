return attack "invalid-precommit" {
  summary  = "A validator precommits blocks that do not exist, in place of its true votes: well signed, and for nothing anybody proposed.",
  source   = "CometBFT consensus/invalid_test.go (TestReactorInvalidPrecommit)",
  tags     = { "safety", "liveness", "robustness" },
  kinds    = { "vote" },
  args     = {
    traitor = { 0, "the validator that does so", min = 0 },
  },
  traitors = function(c, a) return { a.traitor } end,
  expect   = { safety = true, liveness = true },
  verdict  = "holds  agreement  the others decide without it",

  on_message = function(c, m, a)
    if m.phase ~= "precommit" or m.from ~= a.traitor or not m:has("signer") or m.signer ~= a.traitor then return end
    local bytes = {}
    for i = 1, 32 do bytes[i] = string.char(c:random(("block %s %d"):format(tostring(m.slot), i), 256) - 1) end
    local lie = m:copy()
    lie.fields.block_id.hash = table.concat(bytes)
    lie.fields.block_id.part_set_header.total = 1
    lie.fields.block_id.part_set_header.hash = table.concat(bytes)
    return replace(lie:sign(m.signer), "a block that nobody proposed")
  end,
}
