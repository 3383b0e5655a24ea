-- A row is one complete run; from here on readers see what it found.
INSERT INTO runs (id, models, version, config, agents, as_of, from_at, to_at, started_at, finished_at, events, deals, touches, left_out, currency, digits, asked, reasons, inputs, settings, stages)
SELECT
    {id:String}, {models:Array(String)}, {version:String}, {config:String}, {agents:String}, {as_of:DateTime64(3)},
    fromUnixTimestamp64Milli({from_ms:Int64}), fromUnixTimestamp64Milli({to_ms:Int64}),
    {started_at:DateTime64(3)}, {finished_at:DateTime64(3)},
    {events:UInt64}, {deals:UInt64}, {touches:UInt64}, {left_out:UInt64}, {currency:String}, {digits:UInt8},
    {asked:Bool}, {reasons:Map(String, String)}, {inputs:Map(String, UInt64)}, {settings:String}, {stages:Array(String)}
