return attack "replay-old-view" {
  summary  = "Votes, view changes and new views of past views are sent again, exactly as they were: nobody may go back.",
  source   = "raijin issue 18 (three recorded view changes rewound the view); Rustchain issue 2081",
  tags     = { "safety", "replay", "view-change" },
  kinds    = { "vote", "new_view", "view_change" },
  args     = {
    changes = { 2, "how many leaders, one after another, are stopped so that there are old views", min = 0 },
    record  = { 0.3, "seconds of ordinary work before each stop", min = 0 },
    pause   = { 3.0, "a leader is stopped until the view changes, at most so many seconds", min = 0 },
    every   = { 0.1, "seconds between two rounds of replay", min = 0.001 },
    burst   = { 60, "messages in a round, at most 200", min = 1, max = 200 },
  },
  -- No traitor: what is replayed was really said, and needs no key.
  expect   = { safety = true, liveness = true },
  verdict  = "holds  view monotonicity  2400 old messages replayed, no replica went back",

  on_start = function(c, a)
    local s = c.state
    s.view, s.left, s.first, s.kept, s.votes = c.view, a.changes, 1, {}, 0

    local function resume(c)
      if s.paused then c:resume(s.paused) end
      s.paused = nil
    end
    local function stop(c, a)
      s.paused, s.left = c:leader(c.view), s.left - 1
      c:pause(s.paused)
      local round = s.left
      c:after(a.pause, function(c)
        if s.left == round then resume(c) end
      end)
    end
    s.on_change = function(c, a)
      resume(c)
      if s.left > 0 then c:after(a.record, stop) end
    end

    local function again(c, a)
      local sent, count, first = 0, #s.kept, s.first
      for i = 0, count - 1 do
        local at = (first - 1 + i) % count + 1
        local old = s.kept[at]
        if sent < math.min(a.burst, 200) and old.view < c.view then
          c:send(old.message, { from = old.from, to = old.to })
          sent = sent + 1
          s.first = at % count + 1
        end
      end
      c:after(a.every, again)
    end
    c:after(a.record, stop)
    c:after(a.every, again)
  end,

  on_message = function(c, m)
    local s = c.state
    if not m:has("view") or #s.kept >= 600 then return end
    -- Of votes, a few are enough; of view changes and new views, all.
    if m.kind == "vote" then
      if s.votes >= 200 or c:random(m) >= 0.1 then return end
      s.votes = s.votes + 1
    end
    table.insert(s.kept, { message = m:copy(), view = m.view, from = m.from, to = m.to })
  end,

  on_view = function(c, e, a)
    local s = c.state
    if e.view > s.view then
      s.view = e.view
      s.votes = 0
      s.on_change(c, a)
    end
  end,
}
