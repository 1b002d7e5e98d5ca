"""This room holds no personal data: who published a version is a random id of staff."""

from datamap.registry import declare_impersonal

declare_impersonal(
    "policy.PolicyVersion",
    "id",
    "number",
    "site",
    "version",
    "released_on",
    "digest",
    "filename",
    "source: the policy file as published",
    "published_at",
    "effective_at",
    "older_data_at",
    "published_by_kind",
    "published_by",
    "compared_with",
    "changes: what changed, in words of the policy",
    "material",
)
