; inherits: ecmascript
(field_definition property: [(property_identifier) (private_property_identifier)] @name.field) @definition.field
(formal_parameters (identifier) @local)
