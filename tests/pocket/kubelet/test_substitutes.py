from pocket.kubelet.substitutes import RULES, host_of


def test_the_service_entry_names_the_host() -> None:
    rule = RULES[0]
    entry = {"spec": {"hosts": ["example.com", "dynamodb.eu-central-1.amazonaws.com"]}}
    assert host_of(rule, [entry]) == "dynamodb.eu-central-1.amazonaws.com"
    assert host_of(rule, []) == rule.default_host
