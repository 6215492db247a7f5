"""Region profiles: what a bureau allows, effective-dated, each value with its source.

================  ===========================================================================
module            holds
================  ===========================================================================
``vocabulary``    the words of a profile: businesses, channels, proofs, scenes, states
``dated``         values that hold from a date on, each with its source
``notice``        the one-time notice: reason, what is missing, procedure, time limit
``matrix``        what is granted, by channel, business and proofs
``profile_file``  a profile as its file has it
``rules``         what holds on one day, as values that are asked
``profile``       one region's profile, parsed and asked as of a date
``explanation``   a profile as rows that people read, and two compared
``rule_table``    ``docs/regions.md``: each rule of the seeds, what enforces it, its test
``working_days``  due dates by China's calendar
``catalogue``     the profiles of all regions, found by institution code
================  ===========================================================================

A profile is data (``specs/regions/*.toml``): a new region is a new file.
"""
