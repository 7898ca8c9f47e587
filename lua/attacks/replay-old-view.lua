return attack "replay-old-view" {
  summary  = "Votes, view changes and new views of past views are sent again: nobody may go back.",
  source   = "raijin issue 18 (three recorded view changes rewound the view); Rustchain issue 2081",
  tags     = { "safety", "replay" },
  kinds    = { "propose", "vote", "new_view", "view_change" },
  args     = {
    changes = { 1, "how many leaders, one after another, fall silent so that there are old views" },
    every   = { 0.2, "seconds between two rounds of replay" },
    burst   = { 40, "messages in a round, at most 200" },
  },
  -- The leader that is silenced is one of f; what is replayed needs no key.
  traitors = function(c) return { c:leader(c.view) } end,
  expect   = { safety = true, liveness = true },
  verdict  = "holds  view monotonicity  300 old messages replayed, no replica went back",

  on_start = function(c, a)
    local s = c.state
    s.silent, s.left, s.next, s.count, s.kept = c.view, a.changes, 1, 0, {}
    local function again()
      c:after(a.every, function(c, a)
        local sent = 0
        for i = 1, s.count do
          local at = (s.next + i - 2) % s.count + 1
          local old = s.kept[at]
          if sent < math.min(a.burst, 200) and old.view < c.view then
            c:send(old.message, { from = old.from, to = old.to })
            sent = sent + 1
            s.next = at % s.count + 1
          end
        end
        again()
      end)
    end
    again()
  end,

  on_message = function(c, m, a)
    local s = c.state
    if m.kind ~= "propose" and m:has("view") and s.count < 512 and m.view <= s.silent + 1 then
      -- Few votes are enough; of view changes and new views, all.
      if m.kind ~= "vote" or c:random(m) < 0.05 then
        s.count = s.count + 1
        s.kept[s.count] = { message = m:copy(), view = m.view, from = m.from, to = m.to }
      end
    end
    if s.left > 0 and m.kind == "propose" and m.view == s.silent and m.from == c:leader(s.silent) then
      return drop("a silent leader, so that its view becomes an old one")
    end
  end,

  on_view = function(c, e, a)
    local s = c.state
    if s.left > 0 and e.view > s.silent then
      s.left = s.left - 1
      s.silent = e.view
    end
  end,
}
