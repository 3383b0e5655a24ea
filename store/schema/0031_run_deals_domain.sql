-- A row of run_deals says which company the deal is with.
ALTER TABLE run_deals ADD COLUMN IF NOT EXISTS domain LowCardinality(String) AFTER stage
