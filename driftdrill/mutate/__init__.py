"""Mutation testing of alert rules: are there drills that notice when a rule is wrong?"""
