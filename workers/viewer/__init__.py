"""The live page: follows the results, shows them in a browser, takes posts and corrections."""
